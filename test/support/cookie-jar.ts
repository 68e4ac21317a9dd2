interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly secure: boolean;
}

/** What browsers do with cookies for one host name (RFC 6265bis, 5.6 to 5.8), without lifetimes. */
export interface CookieJar {
  /** Takes a `Set-Cookie` value, unless a browser would refuse it. */
  set(url: string, value: string): void;
  /** The `Cookie` value for a URL; undefined when there is none. */
  get(url: string): string | undefined;
}

/** An empty jar. Plain `http:` counts as insecure, also on this machine: not every client makes an exception. */
export function createCookieJar(): CookieJar {
  const cookies = new Map<string, Cookie>();
  return {
    set(url, value) {
      const cookie = parseCookie(new URL(url), value);
      if (cookie !== undefined) cookies.set(`${cookie.name}\n${cookie.path}`, cookie);
    },
    get(url) {
      const { pathname, protocol } = new URL(url);
      const fitting = [...cookies.values()]
        .filter(({ path, secure }) => matchesPath(pathname, path) && (!secure || protocol === 'https:'))
        .toSorted((a, b) => b.path.length - a.path.length);
      if (fitting.length === 0) return undefined;
      return fitting.map(({ name, value }) => (name === '' ? value : `${name}=${value}`)).join('; ');
    },
  };
}

function parseCookie(url: URL, text: string): Cookie | undefined {
  const [pair = '', ...rest] = text.split(';');
  const equals = pair.indexOf('=');
  const name = pair.slice(0, Math.max(equals, 0)).trim();
  const attributes = new Map(
    rest.map((attribute) => {
      const [key = '', ...argument] = attribute.split('=');
      return [key.trim().toLowerCase(), argument.join('=').trim()] as const;
    }),
  );
  const given = attributes.get('path');
  const path = given?.startsWith('/') ? given : defaultPath(url.pathname);
  const secure = attributes.has('secure');
  const domain = attributes.get('domain');
  if (secure && url.protocol !== 'https:') return undefined;
  if (domain !== undefined && !`.${url.hostname}`.endsWith(`.${domain.replace(/^\./, '')}`)) return undefined;
  const needsSecure =
    /^__(?:secure|host|http)-/i.test(name) ||
    attributes.get('samesite')?.toLowerCase() === 'none' ||
    attributes.has('partitioned');
  if (needsSecure && !secure) return undefined;
  if (/^__host-/i.test(name) && (given !== '/' || domain !== undefined)) return undefined;
  return { name, value: pair.slice(equals + 1).trim(), path, secure };
}

function matchesPath(requested: string, path: string): boolean {
  if (!requested.startsWith(path)) return false;
  return requested.length === path.length || path.endsWith('/') || requested[path.length] === '/';
}

function defaultPath(pathname: string): string {
  return pathname.slice(0, Math.max(pathname.lastIndexOf('/'), 1));
}
