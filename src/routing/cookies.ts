import { toLocalPath, type Visit } from './visit.ts';

// Section numbers are those of RFC 6265bis (draft-ietf-httpbis-rfc6265bis).

/** Stands before a name whose own prefix a browser would not take from us. */
const RENAMED = 'gbp.';

/** Names that promise `Secure`, `__Host-` also `Path=/` (4.1.3); browsers know them in any case. */
const GUARDED = /^__(?:host|secure|http)-/i;
const HOST_GUARDED = /^__host-/i;

/**
 * A `Set-Cookie` value as the client can use it. `Domain` goes, so that the cookie is the local host's own. `Path` becomes the
 * local one, or the route's where it lies outside of the upstream's base; without a `Path`, one is added where the client's
 * own default would be another. For a client that came over `http:`, `Secure` and `Partitioned` go and `SameSite=None`
 * becomes `Lax`, which covers the ports of one host. A name whose prefix promises more than the local cookie can keep gets
 * `gbp.` in front; `toUpstreamCookie` takes it off. All else stays byte for byte, in malformed cookies, too. Never throws.
 */
export function localizeSetCookie(value: string, visit: Visit): string {
  const [pair = '', ...attributes] = value.split(';');
  const fallback = toDefaultCookiePath(visit);
  const isFallbackUsual = fallback === toDefaultPath(visit.localTarget);
  const localized: string[] = [];
  let path: string | undefined;
  for (const attribute of attributes) {
    const { name, argument } = parseAttribute(attribute);
    if (name === 'domain') continue;
    if (name === 'path') {
      path = argument.startsWith('/') ? toLocalCookiePath(argument, visit) : fallback;
      localized.push(argument.startsWith('/') || !isFallbackUsual ? setArgument(attribute, path) : attribute);
    } else if (visit.scheme === 'https') {
      localized.push(attribute);
    } else if (name === 'samesite' && argument.toLowerCase() === 'none') {
      localized.push(setArgument(attribute, 'Lax'));
    } else if (name !== 'secure' && name !== 'partitioned') {
      localized.push(attribute);
    }
  }
  if (path === undefined && !isFallbackUsual) localized.push(` Path=${fallback}`);
  return [rename(pair, path ?? fallback, visit), ...localized].join(';');
}

/**
 * A `Cookie` value for the upstream: renamed cookies under their own names again, all else byte for byte. Where a renamed
 * cookie comes with one of the original name, both go on in the client's order, as two cookies of one name on different
 * paths always do: which of them is meant only the application can tell.
 */
export function toUpstreamCookie(value: string): string {
  if (!value.includes(RENAMED)) return value;
  return value
    .split(';')
    .map((crumb) => {
      const name = toName(crumb);
      if (!name.startsWith(RENAMED) || !isGuarded(name)) return crumb;
      const start = crumb.indexOf(RENAMED);
      return crumb.slice(0, start) + crumb.slice(start + RENAMED.length);
    })
    .join(';');
}

function parseAttribute(attribute: string): { name: string; argument: string } {
  const equals = attribute.indexOf('=');
  if (equals === -1) return { name: attribute.trim().toLowerCase(), argument: '' };
  return {
    name: attribute.slice(0, equals).trim().toLowerCase(),
    argument: attribute.slice(equals + 1).trim(),
  };
}

function setArgument(attribute: string, argument: string): string {
  const equals = attribute.indexOf('=');
  return `${equals === -1 ? attribute.trimEnd() : attribute.slice(0, equals)}=${argument}`;
}

/** Name of a cookie; empty for one that is a value alone (5.6). */
function toName(pair: string): string {
  return pair.slice(0, Math.max(pair.indexOf('='), 0)).trim();
}

/** Whether a name is guarded, be it renamed already: an upstream's own `gbp.__Host-x` is told apart by one more `gbp.`. */
function isGuarded(name: string): boolean {
  let start = 0;
  while (name.startsWith(RENAMED, start)) start += RENAMED.length;
  return GUARDED.test(name.slice(start));
}

function rename(pair: string, path: string, visit: Visit): string {
  const name = toName(pair);
  if (!isGuarded(name) || isKeepable(name, path, visit)) return pair;
  const start = pair.indexOf(name);
  return pair.slice(0, start) + RENAMED + pair.slice(start);
}

function isKeepable(name: string, path: string, visit: Visit): boolean {
  if (visit.scheme === 'http' || name.startsWith(RENAMED)) return false;
  return path === '/' || !HOST_GUARDED.test(name);
}

/** The local `Path` for one of the upstream's; the route's where that covers all of the base, or nothing of it. */
function toLocalCookiePath(upstreamPath: string, { route }: Visit): string {
  // What is below `/` is below the route's path, which has no slash behind it: with one, the route itself would be left out.
  const local = upstreamPath === '/' ? undefined : toLocalPath(route, upstreamPath);
  return toExpressible(local ?? route.path);
}

/** The local `Path` of a cookie without one. */
function toDefaultCookiePath(visit: Visit): string {
  return toLocalCookiePath(toDefaultPath(visit.upstreamTarget), visit);
}

/** The path of a cookie without `Path`, by the request's own (5.1.4). */
function toDefaultPath(target: string): string {
  const [path = ''] = target.split('?', 1);
  const lastSlash = path.lastIndexOf('/');
  return path.startsWith('/') && lastSlash > 0 ? path.slice(0, lastSlash) : '/';
}

/** A semicolon would end the attribute: what is before that segment covers the path, too. */
function toExpressible(path: string): string {
  const semicolon = path.indexOf(';');
  return semicolon === -1 ? path : toDefaultPath(path.slice(0, semicolon));
}
