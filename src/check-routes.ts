import { type AssembledRoute, assemble } from './assemble.ts';
import { createTokenCache } from './auth/token-cache.ts';
import { type CheckedRoute, checkRoute, type Probes, type Progress } from './check/check-route.ts';
import type { RouteReport } from './check/result.ts';
import { createTokenProbe, type TokenProbe } from './check/token-probe.ts';
import { type Clock, systemClock } from './clock.ts';
import { compileRoute } from './compile-route.ts';
import type { Config, RouteConfig } from './config/config.ts';
import { findForwardProxy } from './forward-proxy.ts';
import { createTransport } from './relay/upstream/transport.ts';
import { createUpgradeCarrier } from './relay/upstream/upgrade.ts';
import { readVersion } from './version.ts';

export interface CheckRoutesOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Called before each route; what is found out about it is told to what it gives. */
  readonly beginRoute: (route: RouteConfig) => Progress;
}

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Checks every route of a configuration with the parts the proxy is made of, one after the other, so that what is told
 * stays in order. Gives the reports in the order of the routes.
 * @throws ProxyError as `assemble`
 */
export async function checkRoutes(options: CheckRoutesOptions): Promise<readonly RouteReport[]> {
  const { config, env, beginRoute } = options;
  const clock = systemClock;
  const cache = createTokenCache({ clock, mintTimeoutMs: config.google.tokenTimeoutMs });
  try {
    const assembly = await assemble({ config, cache, clock, env });
    const probes = createProbes(clock, createTokenProbe({ cache, clock }));
    const reports: RouteReport[] = [];
    try {
      for (const assembled of assembly.routes) {
        const checked = toCheckedRoute(assembled, env);
        reports.push(await checkRoute(checked, probes, beginRoute(assembled.config)));
        checked.route.transport.destroy();
      }
      return reports;
    } finally {
      await assembly.close();
    }
  } finally {
    cache.close();
  }
}

function createProbes(clock: Clock, tokens: TokenProbe): Probes {
  return {
    clock,
    tokens,
    network: { clock, timeoutMs: CONNECT_TIMEOUT_MS },
    http: { clock, timeoutMs: ANSWER_TIMEOUT_MS, userAgent: `gcp-bearer-proxy/${readVersion()}` },
  };
}

function toCheckedRoute(assembled: AssembledRoute, env: CheckRoutesOptions['env']): CheckedRoute {
  const { origin, credential, request } = assembled;
  const forwardProxy = findForwardProxy(new URL(origin), env);
  const options = { origin, forwardProxy, connectTimeoutMs: CONNECT_TIMEOUT_MS };
  const route = compileRoute(assembled, createTransport(options), createUpgradeCarrier(options));
  return { route, forwardProxy, credential, request };
}
