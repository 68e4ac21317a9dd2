import type { TokenSource } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import { checkForwardProxies, findForwardProxy } from '../forward-proxy.ts';
import { createTransport, type Transport } from '../relay/upstream/transport.ts';
import { type ApiName, type ApiPlace, findApiOrigin } from './api-origin.ts';
import { createGoogleApi, type GoogleApi } from './google-api.ts';

export interface ConnectOptions extends ApiPlace {
  /** Access tokens with the scope cloud-platform. */
  readonly tokens: Pick<TokenSource, 'obtain'>;
  readonly clock: Clock;
  readonly userAgent: string;
}

/** The APIs that are asked, until closed. */
export interface Connection {
  readonly apis: Readonly<Record<ApiName, GoogleApi>>;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A list over all regions takes some seconds. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * Google's APIs by the same way as upstreams: trust, forward proxies and second attempts included. Nothing is sent yet.
 * @throws ProxyError `config_invalid` for places where they can't be, and forward proxies that can't be used
 */
export function connectApis(options: ConnectOptions): Connection {
  const { env, universeDomain, tokens, clock, userAgent } = options;
  const transports: Transport[] = [];
  const connect = (name: ApiName): GoogleApi => {
    const origin = findApiOrigin(name, options);
    checkForwardProxies([origin, new URL(`https://oauth2.${universeDomain}`)], env);
    const forwardProxy = findForwardProxy(origin, env);
    const transport = createTransport({
      origin: origin.origin,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      forwardProxy,
      clock,
    });
    transports.push(transport);
    return createGoogleApi({
      name,
      origin,
      transport,
      tokens,
      clock,
      userAgent,
      timeoutMs: ANSWER_TIMEOUT_MS,
    });
  };
  return {
    apis: { run: connect('run'), cloudfunctions: connect('cloudfunctions') },
    close() {
      for (const transport of transports) transport.destroy();
    },
  };
}
