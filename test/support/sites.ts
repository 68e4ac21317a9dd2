import type { HeldToken, TokenSource } from '../../src/auth/token-source.ts';
import type { RouteConfig } from '../../src/config/config.ts';
import type { ProxyCors } from '../../src/gate/cors.ts';
import { createGate } from '../../src/gate/gate.ts';
import type { RequestHead } from '../../src/relay/decide.ts';
import { compileRules } from '../../src/relay/route-rules.ts';
import type { Route, Site } from '../../src/relay/site.ts';
import { createHomeward } from '../../src/routing/homeward.ts';
import { createRouteTable } from '../../src/routing/table.ts';

/** A token that is always valid. */
export function heldToken(value: string): HeldToken {
  return {
    value,
    bearer: `Bearer ${value}`,
    identity: undefined,
    quotaProject: undefined,
    otherAudience: undefined,
    ageMs: () => 0,
    remainingMs: () => 3_600_000,
  };
}

/** A source that always has its token. */
export function staticTokens(value: string, audience = 'https://upstream.example'): TokenSource {
  const token = heldToken(value);
  return {
    request: { kind: 'id', audience },
    current: () => token,
    obtain: async () => token,
    replace: async () => undefined,
    status: () => ({
      state: 'valid',
      identity: undefined,
      remainingMs: 3_600_000,
      forMs: 0,
      error: undefined,
    }),
  };
}

/** CORS as the proxy does it where nothing is said, with these limits. */
export function corsLimits(change: Partial<ProxyCors> = {}): ProxyCors {
  return {
    kind: 'proxy',
    methods: undefined,
    headers: undefined,
    exposeHeaders: undefined,
    credentials: true,
    maxAgeMs: 600_000,
    ...change,
  };
}

/** A route to `https://upstream.example` at `/`; its transport fails the test that sends anything. */
export function route(change: Partial<Route> = {}): Route {
  return {
    name: '/',
    host: undefined,
    path: '/',
    stripPath: true,
    basePath: '/',
    upstreamOrigin: 'https://upstream.example',
    upstreamHost: 'upstream.example',
    tokens: staticTokens('token'),
    rules: undefined,
    rate: undefined,
    header: 'auto',
    spareHeader: 'X-Serverless-Authorization',
    quotaProject: undefined,
    timeout: { connectMs: 5_000, headersMs: 0, idleMs: 0 },
    removeHeaders: undefined,
    setHeaders: [],
    forwarded: 'x-forwarded',
    localize: { redirects: true, cookies: true },
    presentOrigin: false,
    cors: corsLimits(),
    retry: true,
    transport: {
      send: () => {
        throw new Error('this test sends nothing');
      },
      state: () => ({ origin: 'https://upstream.example', isBreakerOpen: false, connections: [] }),
      retire: () => {},
      destroy: () => {},
    },
    upgrades: {
      carry: () => {
        throw new Error('this test upgrades nothing');
      },
    },
    ...change,
  };
}

/** The rules of a route that is closed in these ways, and open in all others. */
export function rules(
  closed: Partial<Pick<RouteConfig, 'methods' | 'readOnly' | 'paths'>> & { readonly bodyBytes?: number },
): Pick<Route, 'rules'> {
  const { methods, readOnly = false, paths, bodyBytes } = closed;
  return { rules: compileRules({ methods, readOnly, paths, limits: { bodyBytes, rate: undefined } }) };
}

/** A site with these routes and the default gate. */
export function site(...routes: Route[]): Site {
  const table = createRouteTable(routes);
  return {
    gate: createGate({ bound: ['localhost'], names: [], origins: [] }),
    routes: table,
    homeward: createHomeward(routes, table),
    listeners: [{ clientSecret: undefined }],
    routeList: routes,
  };
}

/** A `GET /` from curl. */
export function requestHead(change: Partial<RequestHead> = {}): RequestHead {
  return {
    method: 'GET',
    target: '/',
    httpMajor: 1,
    httpMinor: 1,
    http2: undefined,
    lines: ['Host', 'localhost:8080', 'User-Agent', 'curl/8.0', 'Accept', '*/*'],
    peer: '127.0.0.1',
    scheme: 'http',
    listener: 0,
    ...change,
  };
}

/** What a browser says of a visitor who follows a link of another site. */
export const CROSS_SITE_VISIT: readonly string[] = [
  'Sec-Fetch-Site',
  'cross-site',
  'Sec-Fetch-Mode',
  'navigate',
  'Sec-Fetch-Dest',
  'document',
];
