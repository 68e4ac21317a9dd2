import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent } from 'node:https';
import type { gaxios } from 'google-auth-library';
import { findForwardProxy, type ProxyEnvironment } from '../../forward-proxy.ts';
import type { KindContext } from './kind.ts';

/** Hard-coded in the library for service accounts, its default for people. */
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
const METADATA_PATH = '/computeMetadata/';
/** AWS's metadata server has Google's address, and another one for IPv6. */
const AWS_METADATA_HOSTS: readonly string[] = ['169.254.169.254', '[fd00:ec2::254]'];

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
    const { url, timeout = 0 } = config;
    const { env, timeoutMs } = this.#context;
    config.url = this.#locate(url);
    if (!needsAgent(config, env)) delete config.agent;
    if (config.url.protocol === 'https:') config.agent = toVerifying(config.agent);
    config.signal = AbortSignal.timeout(timeout > 0 ? Math.min(timeout, timeoutMs) : timeoutMs);
    // Nobody asked here ever sends elsewhere, and what is sent is a secret.
    config.redirect = 'manual';
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

  #locate(url: URL): URL {
    const { universeDomain, endpoints } = this.#context;
    const { metadataHost, awsMetadataUrl, apisUrl } = endpoints;
    const move = (base: string | undefined): URL =>
      base === undefined ? url : new URL(url.pathname + url.search, base);
    if (url.pathname.startsWith(METADATA_PATH)) return move(metadataHost && `http://${metadataHost}`);
    if (AWS_METADATA_HOSTS.includes(url.hostname)) return move(awsMetadataUrl);
    if (url.href === TOKEN_URL && this.#tokenUrl !== undefined) return new URL(this.#tokenUrl);
    const isGoogle = url.protocol === 'https:' && url.hostname.endsWith(`.${universeDomain}`);
    return isGoogle ? move(apisUrl) : url;
  }
}

/** The forward proxy that may be needed: a transporter makes an agent for it with each request, and traffic decides. */
export function findAnyProxy(env: ProxyEnvironment): string | undefined {
  return findForwardProxy(new URL(TOKEN_URL), { ...env, NO_PROXY: undefined, no_proxy: undefined })?.href;
}

/**
 * Whether a request goes by the agent it was given: one for a forward proxy, by the same rules as for upstreams rather
 * than the library's own, or one with a client certificate.
 */
function needsAgent({ agent, url }: gaxios.GaxiosOptionsPrepared, env: ProxyEnvironment): boolean {
  const isProxying = typeof agent === 'object' && 'proxy' in agent;
  return isProxying ? findForwardProxy(url, env) !== undefined : url.protocol === 'https:';
}

type Agents = gaxios.GaxiosOptionsPrepared['agent'];

const VERIFYING = new Agent({ rejectUnauthorized: true });

/**
 * An agent that verifies certificates, the forward proxy's too, whatever becomes of NODE_TLS_REJECT_UNAUTHORIZED: we look at it
 * at the start, Node with each connection.
 */
function toVerifying(agent: Agents): NonNullable<Agents> {
  if (agent === undefined || typeof agent === 'function') return VERIFYING;
  for (const name of ['options', 'connectOpts']) {
    const options: unknown = Reflect.get(agent, name);
    if (typeof options === 'object' && options !== null) Object.assign(options, { rejectUnauthorized: true });
  }
  return agent;
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
