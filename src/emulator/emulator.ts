import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import {
  type CredentialJson,
  toAuthorizedUserFile,
  toImpersonatedFile,
  toServiceAccountFile,
} from './credentials.ts';
import { ACCOUNTS, type UserSecrets } from './directory.ts';
import { createFaultPlan, type Faults } from './faults.ts';
import { createGoogleHandler, type RequestCounts } from './google/server.ts';
import { createIssuer, type Issuer, type Mint, TOKEN_LIFETIME_MS } from './issuer.ts';
import { generateKeys, type Keys } from './keys.ts';
import { type LoopbackServer, listenOnLoopback } from './listen.ts';
import { startService, toCustomAudiences } from './service.ts';
import { SERVICE_NAMES, type ServiceName } from './service-names.ts';

export type { Fault, Faults, GoogleEndpoint } from './faults.ts';
export type { Mint } from './issuer.ts';
export { SERVICE_NAMES, type ServiceName } from './service-names.ts';

export interface EmulatorOptions {
  /** Everybody's clock in here: Google's, and the services'. The machine's own unless given. */
  readonly clock?: Clock;
  /** Google's port; 0, any free one, unless given. Services always take free ones. */
  readonly port?: number;
  /** Which services to start; all unless given. */
  readonly services?: readonly ServiceName[];
  /** Life of every token, in ms; one hour unless given. Whole seconds count. */
  readonly tokenLifetimeMs?: number;
}

/** A private service. */
export interface EmulatedService {
  readonly name: ServiceName;
  /** Its origin, `http://127.0.0.1:port`. */
  readonly url: string;
  /** The audience an ID token for it needs: its origin. */
  readonly audience: string;
  /** Audiences it accepts as well. */
  readonly customAudiences: readonly string[];
}

/** Where the parts of Google are. */
export interface EmulatedGoogle {
  readonly url: string;
  readonly tokenUrl: string;
  /** In place of `https://iamcredentials.googleapis.com`. */
  readonly iamCredentialsUrl: string;
  /** `host:port`, for `GCE_METADATA_HOST`. */
  readonly metadataHost: string;
  readonly jwksUrl: string;
  readonly certsUrl: string;
  readonly discoveryUrl: string;
}

/** Google and private services of ours, on loopback, until closed. */
export interface Emulator {
  readonly google: EmulatedGoogle;
  readonly services: Readonly<Partial<Record<ServiceName, EmulatedService>>>;
  /** Credential files, parsed. */
  readonly credentials: {
    /** Key of an account that may call every service. */
    readonly serviceAccount: CredentialJson;
    /** Key of an account that may call none. */
    readonly stranger: CredentialJson;
    readonly authorizedUser: CredentialJson;
    /** The user acting as `runner`. */
    readonly impersonated: CredentialJson;
  };
  /** E-mail addresses. */
  readonly accounts: Readonly<Record<keyof typeof ACCOUNTS, string>>;
  /** Every token given out, oldest first; the last 10 000. */
  readonly mints: readonly Mint[];
  /** How many requests reached each endpoint of Google's, whatever became of them. */
  readonly requests: Readonly<RequestCounts>;
  readonly faults: Faults;
  /** Stops everything; whoever still waits for an answer is cut off. */
  close(): Promise<void>;
}

/**
 * Starts Google and the services.
 * @throws ProxyError `address_in_use` or `address_unavailable`; then nothing is left running
 */
export async function createEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const {
    clock = systemClock,
    port = 0,
    services = SERVICE_NAMES,
    tokenLifetimeMs = TOKEN_LIFETIME_MS,
  } = options;
  const keys = await generateKeys();
  const issuer = createIssuer({ clock, key: keys.google, lifetimeMs: tokenLifetimeMs });
  const user: UserSecrets = {
    clientSecret: `emulated-${randomBytes(12).toString('base64url')}`,
    refreshToken: `1//0emulated-${randomBytes(48).toString('base64url')}`,
  };
  const faults = createFaultPlan();
  const requests: RequestCounts = {
    token: 0,
    generateIdToken: 0,
    generateAccessToken: 0,
    metadata: 0,
    certs: 0,
  };

  const handle = createGoogleHandler({ google: { clock, keys, issuer, user }, faults, requests });
  const google = await listenOnLoopback({ port, clock, handle });
  const started = await startServices(services, { clock, issuer }).catch(async (error: unknown) => {
    await google.close();
    throw error;
  });

  return {
    google: toGoogle(google),
    services: Object.fromEntries(started.map(({ name, origin }) => [name, toService(name, origin)])),
    credentials: toCredentials(keys, user, google.origin),
    accounts: {
      developer: ACCOUNTS.developer.email,
      runner: ACCOUNTS.runner.email,
      stranger: ACCOUNTS.stranger.email,
      compute: ACCOUNTS.compute.email,
      user: ACCOUNTS.user.email,
    },
    mints: issuer.mints,
    requests,
    faults,
    async close() {
      await Promise.all([google, ...started].map((server) => server.close()));
    },
  };
}

type NamedServer = LoopbackServer & { readonly name: ServiceName };

/** All of them, or none. */
async function startServices(
  names: readonly ServiceName[],
  context: { readonly clock: Clock; readonly issuer: Issuer },
): Promise<readonly NamedServer[]> {
  const starts = [...new Set(names)].map(async (name) => ({
    name,
    ...(await startService({ name, ...context })),
  }));
  const results = await Promise.allSettled(starts);
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return started;
  await Promise.all(started.map((server) => server.close()));
  throw failed.reason;
}

function toGoogle({ origin, host }: LoopbackServer): EmulatedGoogle {
  return {
    url: origin,
    tokenUrl: `${origin}/token`,
    iamCredentialsUrl: origin,
    metadataHost: host,
    jwksUrl: `${origin}/oauth2/v3/certs`,
    certsUrl: `${origin}/oauth2/v1/certs`,
    discoveryUrl: `${origin}/.well-known/openid-configuration`,
  };
}

function toService(name: ServiceName, origin: string): EmulatedService {
  return { name, url: origin, audience: origin, customAudiences: toCustomAudiences(name) };
}

function toCredentials(keys: Keys, user: UserSecrets, origin: string): Emulator['credentials'] {
  const { developer, runner, stranger } = ACCOUNTS;
  const authorizedUser = toAuthorizedUserFile(user, origin);
  return {
    serviceAccount: toServiceAccountFile(developer, keys.developer, origin),
    stranger: toServiceAccountFile(stranger, keys.stranger, origin),
    authorizedUser,
    impersonated: toImpersonatedFile(authorizedUser, runner, origin),
  };
}
