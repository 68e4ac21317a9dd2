import type { AssembledRoute } from './assemble.ts';
import { createRateLimit, type RateLimit } from './relay/rate-limit.ts';
import { compileRules } from './relay/route-rules.ts';
import type { Route } from './relay/site.ts';
import type { Transport } from './relay/upstream/transport.ts';
import type { UpgradeCarrier } from './relay/upstream/upgrade.ts';

/** What a route is compiled from. */
export type RouteParts = Pick<AssembledRoute, 'config' | 'origin' | 'spareHeader' | 'tokens'>;

/**
 * A route as the relay takes it.
 * @param rate what was counted of its rate so far; a new count if left out
 */
export function compileRoute(
  { config, origin, spareHeader, tokens }: RouteParts,
  transport: Transport,
  upgrades: UpgradeCarrier,
  rate: RateLimit | undefined = config.limits.rate && createRateLimit(config.limits.rate),
): Route {
  const { set, remove } = config.headers;
  const replaced = [...remove, ...Object.keys(set)];
  return {
    name: config.name,
    host: config.host,
    path: config.path,
    stripPath: config.stripPath,
    basePath: config.upstream.basePath,
    upstreamOrigin: origin,
    upstreamHost: new URL(origin).host,
    tokens,
    rules: compileRules(config),
    rate,
    header: config.header,
    spareHeader,
    quotaProject: config.token.kind === 'access' ? config.token.quotaProject : undefined,
    timeout: config.timeout,
    removeHeaders: replaced.length === 0 ? undefined : new Set(replaced),
    setHeaders: Object.entries(set).flat(),
    forwarded: config.forwarded,
    localize: config.localize,
    presentOrigin: config.presentOrigin,
    cors: config.cors,
    retry: config.retry,
    transport,
    upgrades,
  };
}
