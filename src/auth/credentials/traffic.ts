import { AsyncLocalStorage } from 'node:async_hooks';
import type { gaxios } from 'google-auth-library';
import { isLoopbackHost } from '../../loopback.ts';
import type { KindContext } from './kind.ts';

/** Hard-coded in the library for service accounts, its default for people. */
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
const METADATA_PATH = '/computeMetadata/';

/** What one mint sends and receives: where to, how long it may take, what the answers say about the issuer's clock. */
export class Traffic {
  readonly #context: KindContext;
  #tokenUrl: string | undefined;
  #issuerNowMs: number | undefined;
  #gavePointInTime = false;

  constructor(context: KindContext) {
    this.#context = context;
  }

  /** The issuer's clock at its last answer (RFC 9110, section 6.6.1), where it told. */
  get issuerNowMs(): number | undefined {
    return this.#issuerNowMs;
  }

  /** The last answer held a point in time (`expireTime`), not a span (`expires_in`) that the library adds to its clock. */
  get gavePointInTime(): boolean {
    return this.#gavePointInTime;
  }

  /** Sends what is for Google's token endpoint elsewhere. */
  redirectTokens(url: string): void {
    this.#tokenUrl = url;
  }

  /** A request on its way out. */
  send(config: gaxios.GaxiosOptionsPrepared): void {
    const { url } = config;
    const metadata = url.pathname.startsWith(METADATA_PATH);
    config.url = this.#locate(url, metadata);
    // HTTPS_PROXY is not for what is on this machine or beside it.
    if (metadata || isLoopbackHost(config.url.hostname)) delete config.agent;
    if (!config.timeout) config.signal = AbortSignal.timeout(this.#context.timeoutMs);
    // When to try again is for the token cache to say, which counts the calls.
    config.retry = false;
    delete config.retryConfig;
  }

  /** An answer on its way in. */
  receive({ data, headers }: gaxios.GaxiosResponse<unknown>): void {
    const dateMs = Date.parse(headers.get('date') ?? '');
    this.#issuerNowMs = Number.isNaN(dateMs) ? undefined : dateMs;
    this.#gavePointInTime = typeof data === 'object' && data !== null && 'expireTime' in data;
  }

  #locate(url: URL, metadata: boolean): URL {
    const { universeDomain, endpoints } = this.#context;
    const { metadataHost, apisUrl } = endpoints;
    if (metadata && metadataHost !== undefined)
      return new URL(url.pathname + url.search, `http://${metadataHost}`);
    if (url.href === TOKEN_URL && this.#tokenUrl !== undefined) return new URL(this.#tokenUrl);
    const isGoogle = url.protocol === 'https:' && url.hostname.endsWith(`.${universeDomain}`);
    return isGoogle && apisUrl !== undefined ? new URL(url.pathname + url.search, apisUrl) : url;
  }
}

const atHand = new AsyncLocalStorage<Traffic>();

/**
 * Runs something whose requests, and no others, are this traffic's. By context, as the library asks the metadata server
 * through a transporter that all clients share, and takes the server's address from the environment.
 */
export function runWithTraffic<Result>(traffic: Traffic, run: () => Promise<Result>): Promise<Result> {
  return atHand.run(traffic, run);
}

/** Lets a transporter's requests and answers pass through the traffic at hand. */
export function watchTraffic<Transporter extends gaxios.Gaxios>(transporter: Transporter): Transporter {
  transporter.interceptors.request.add({
    resolved: async (config) => {
      atHand.getStore()?.send(config);
      return config;
    },
  });
  transporter.interceptors.response.add({
    resolved: async (response) => {
      atHand.getStore()?.receive(response);
      return response;
    },
  });
  return transporter;
}
