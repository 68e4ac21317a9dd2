import { isLoopbackHost } from '../loopback.ts';
import type { UpstreamConfig } from './config.ts';
import { isHostName } from './host.ts';
import { quote, type Refuse } from './issues.ts';
import { nearest } from './nearest.ts';
import { parsePath } from './url-path.ts';

/** The private services of the embedded emulator, for `upstream: emulator:hello`. */
export const EMULATED_SERVICES = ['hello', 'echo', 'slow', 'stream', 'status'] as const;

const SCHEMES = ['https', 'http', 'emulator'];
const SCHEME = /^([a-z][a-z0-9+.-]*):(.*)$/i;
const EXAMPLE = 'Upstreams look like `https://orders-abc123-an.a.run.app`.';

/** Reads what a route leads to: an `https:` URL, an `http:` one on this machine, or `emulator:` and a service's name. */
export function parseUpstream(text: string, refuse: Refuse): UpstreamConfig | undefined {
  if (text === '') return refuse('The upstream is empty.', EXAMPLE);
  if (/\s/.test(text)) return refuse('The upstream has white space in it.', EXAMPLE);
  const [, scheme = '', rest = ''] = SCHEME.exec(text) ?? [];
  switch (scheme.toLowerCase()) {
    case 'emulator':
      return parseEmulated(rest, refuse);
    case 'https':
    case 'http':
      return parseUrl(text, refuse);
    default:
      return refuseScheme(text, scheme.toLowerCase(), rest, refuse);
  }
}

function refuseScheme(text: string, scheme: string, rest: string, refuse: Refuse): undefined {
  if (text.startsWith('/') || text.includes('@'))
    return refuse('The upstream is not a URL that starts with https://.', EXAMPLE);
  // `localhost:3000` reads as a scheme, too.
  if (scheme === '' || /^\d+(?:\/|$)/.test(rest)) {
    const local = isLoopbackHost((scheme || text).split(/[/:]/)[0] ?? '');
    return refuse(
      `The upstream ${quote(text)} has no scheme.`,
      `Write \`${local ? 'http' : 'https'}://${text}\`.`,
    );
  }
  const meant = ['ws', 'wss', 'grpc', 'grpcs', 'h2', 'h2c'].includes(scheme)
    ? 'https'
    : nearest(scheme, SCHEMES);
  const hint = meant === undefined ? EXAMPLE : `Did you mean \`${meant}:${rest}\`?`;
  return refuse(`The upstream's scheme ${quote(scheme)} is not one of https, http, emulator.`, hint);
}

function parseEmulated(rest: string, refuse: Refuse): UpstreamConfig | undefined {
  const [, service = '', path = ''] = /^([^/]*)(.*)$/s.exec(rest) ?? [];
  if (!EMULATED_SERVICES.some((name) => name === service)) {
    const meant = nearest(service, EMULATED_SERVICES);
    const hint = `${meant === undefined ? '' : `Did you mean \`emulator:${meant}\`? `}There are: ${EMULATED_SERVICES.join(', ')}.`;
    return refuse(`The emulator has no service ${quote(service)}.`, hint);
  }
  const basePath = parsePath(path === '' ? '/' : path, refuse);
  return basePath === undefined ? undefined : { kind: 'emulator', service, basePath };
}

function parseUrl(text: string, refuse: Refuse): UpstreamConfig | undefined {
  const [, scheme = '', authority = '', rawPath = '', extra = ''] =
    /^(https?):\/\/([^/?#\\]*)([^?#]*)(.*)$/i.exec(text) ?? [];
  if (authority.includes('@')) {
    return refuse('The upstream has a user name or password in it.', 'Who calls is said by `credentials`.');
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  if (url === undefined || authority === '' || !(isHostName(host) || host.includes(':'))) {
    return refuse(`The upstream ${quote(text)} is not a URL.`, EXAMPLE);
  }
  if (extra !== '') {
    const what = extra.startsWith('?') ? 'a query' : 'a fragment';
    return refuse(`The upstream has ${what} in it.`, `Write \`${url.origin}${rawPath}\`.`);
  }
  if (scheme.toLowerCase() === 'http' && !isLoopbackHost(host)) {
    return refuse(
      'The upstream is not encrypted: tokens go over http: only to this machine (localhost, 127.0.0.0/8, [::1]).',
      `Write \`https://${url.host}${rawPath}\`.`,
    );
  }
  const basePath = parsePath(rawPath === '' ? '/' : rawPath, refuse);
  return basePath === undefined ? undefined : { kind: 'url', origin: url.origin, basePath };
}
