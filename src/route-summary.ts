import type { AssembledRoute } from './assemble.ts';
import { type AudienceWarning, explainOtherAudience } from './auth/audience.ts';
import type { TokenRequest, TokenSource, TokenStatus } from './auth/token-source.ts';
import type { UpstreamConfig } from './config/config.ts';

/** What is known of a route, for banners and readiness. Holds no token. */
export interface RouteSummary {
  readonly name: string;
  /** The route's address on this proxy. */
  readonly url: string;
  /** Where its requests go; `emulator:NAME` for an embedded service, `emulated …` for a stand-in. */
  readonly upstream: string;
  /** What its token is asked for; undefined for routes that send none. */
  readonly token: TokenRequest | undefined;
  /** Which credential it uses, in words. */
  readonly credential: string | undefined;
  /** The state of its token; undefined for routes that send none. */
  status(): TokenStatus | undefined;
  /** Something to know about the token held. */
  tokenWarning(): AudienceWarning | undefined;
}

/** @param proxyUrl where clients reach the proxy */
export function summarize(
  { config, origin, credential, request, tokens }: AssembledRoute,
  proxyUrl: string,
): RouteSummary {
  const base = new URL(proxyUrl);
  if (config.host !== undefined) base.hostname = config.host;
  base.pathname = config.path;
  const { upstream } = config;
  const path = upstream.basePath === '/' ? '' : upstream.basePath;
  return {
    name: config.name,
    url: base.href.replace(/\/$/, ''),
    upstream: `${describeUpstream(upstream, origin)}${path}`,
    token: request,
    credential: credential?.describe(),
    status: () => tokens?.status(),
    tokenWarning: () => findTokenWarning(tokens),
  };
}

function findTokenWarning(tokens: TokenSource | undefined): AudienceWarning | undefined {
  const held = tokens?.current();
  if (held?.otherAudience === undefined || tokens?.request.kind !== 'id') return undefined;
  const { identity, otherAudience: actual } = held;
  return explainOtherAudience({ asked: tokens.request.audience, actual, identity });
}

function describeUpstream(upstream: UpstreamConfig, origin: string): string {
  if (upstream.kind === 'url') return origin;
  if (upstream.kind === 'emulator') return `emulator:${upstream.service}`;
  return upstream.local ?? `emulated ${upstream.origin}`;
}
