import { inferAudience } from './auth/audience.ts';
import type { Config, RouteConfig, StandInUpstream, TokenConfig, UpstreamConfig } from './config/config.ts';
import { nearest } from './config/nearest.ts';
import { parseUpstream } from './config/upstream.ts';
import { ProxyError } from './errors.ts';
import { isLoopbackHost } from './loopback.ts';

/** What answers in place of real services. */
export interface StandInOptions {
  /** All routes: nothing real is called. */
  readonly emulate: boolean;
  /** Single routes, each as `/orders=http://localhost:3001`: the user's own server answers. */
  readonly local: readonly string[];
}

/**
 * The configuration with emulated services in place of real ones. Each wants the token that the real one wants, for
 * the audience it would want it for, and gets it from the emulated Google, whatever credentials the route names. A server
 * on this machine that a route leads to stays, behind an emulated front end.
 * @throws ProxyError `usage` for what `--local` says wrong
 */
export function standIn(config: Config, { emulate, local }: StandInOptions): Config {
  const servers = new Map(local.map((text) => parseLocal(text, config.routes)));
  const routes = config.routes.map((route) => {
    const server = servers.get(route.name);
    if (server === undefined && (!emulate || route.upstream.kind !== 'url')) return route;
    return replaceUpstream(route, server ?? findOwnServer(route.upstream));
  });
  return { ...config, routes };
}

/** Where the user's own server is, and what its paths begin with. */
interface LocalServer {
  readonly origin: string;
  readonly basePath: string;
}

function findOwnServer(upstream: UpstreamConfig): LocalServer | undefined {
  if (upstream.kind !== 'url') return undefined;
  return isLoopbackHost(toHost(upstream.origin)) ? upstream : undefined;
}

function replaceUpstream(route: RouteConfig, local: LocalServer | undefined): RouteConfig {
  const origin = toRealOrigin(route.upstream);
  const upstream: StandInUpstream = {
    kind: 'stand-in',
    origin,
    basePath: local?.basePath ?? route.upstream.basePath,
    local: local?.origin,
  };
  return {
    ...route,
    upstream,
    token: fixAudience(route.token, { origin, basePath: route.upstream.basePath }),
    // Emulated front ends speak HTTP/1.1 only.
    protocol: 'http1',
  };
}

/** An embedded service has a name to be known by, as its port isn't known yet. */
function toRealOrigin(upstream: UpstreamConfig): string {
  return upstream.kind === 'emulator' ? `https://${upstream.service}.example.com` : upstream.origin;
}

/** Inferred while it is known what would be called. */
function fixAudience(
  token: TokenConfig,
  place: { readonly origin: string; readonly basePath: string },
): TokenConfig {
  if (token.kind !== 'id' || token.audience !== undefined) return token;
  return { kind: 'id', audience: inferAudience(place).audience };
}

function parseLocal(
  text: string,
  routes: readonly RouteConfig[],
): readonly [route: string, server: LocalServer] {
  const equals = text.indexOf('=');
  const [name, url] = [text.slice(0, equals), text.slice(equals + 1)];
  if (equals < 1) {
    throw new ProxyError('usage', `--local ${text} doesn't say which route leads where.`, {
      hint: 'Write --local /orders=http://localhost:3001.',
    });
  }
  const names = routes.map((route) => route.name);
  if (!names.includes(name)) {
    const guess = nearest(name, names);
    throw new ProxyError('usage', `--local names ${name}, and there is no such route.`, {
      hint: guess === undefined ? `Routes: ${names.join(', ')}` : `Did you mean ${guess}?`,
    });
  }
  return [name, parseServer(name, url)];
}

function parseServer(route: string, url: string): LocalServer {
  let fault: { readonly message: string; readonly hint: string | undefined } | undefined;
  const upstream = parseUpstream(url, (message, hint) => {
    fault ??= { message, hint };
    return undefined;
  });
  const isLocal =
    upstream?.kind === 'url' &&
    upstream.origin.startsWith('http:') &&
    isLoopbackHost(toHost(upstream.origin));
  if (isLocal) return upstream;
  throw new ProxyError(
    'usage',
    `--local sends ${route} to no http: server on this machine.${toRemark(fault?.message)}`,
    {
      hint: `Write --local ${route}=http://localhost:3001.`,
    },
  );
}

const toRemark = (message: string | undefined): string => (message === undefined ? '' : ` ${message}`);

const toHost = (origin: string): string => new URL(origin).hostname.replace(/^\[|\]$/g, '');
