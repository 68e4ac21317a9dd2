import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import { createAwsCredentials } from './aws.ts';
import { createAwsSessions } from './aws-sessions.ts';
import {
  type CredentialJson,
  type Place,
  toAuthorizedUserFile,
  toImpersonatedFile,
  toServiceAccountFile,
} from './credentials.ts';
import {
  ACCOUNTS,
  APPLICATION_DEFAULT_CLIENT_ID,
  DEFAULT_UNIVERSE,
  PROJECT,
  type UserSecrets,
} from './directory.ts';
import { createFaultPlan, type Faults } from './faults.ts';
import { toAwsFile, toGithubFile, toGithubRunnerFile, toWorkforceFile } from './federated-credentials.ts';
import { type EmulatedFederation, toFederation } from './federation.ts';
import { createGithub } from './github.ts';
import type { Google } from './google/http.ts';
import { createGoogleHandler, createRequestCounts, type RequestCounts } from './google/server.ts';
import { createIssuer, type Mint, TOKEN_LIFETIME_MS } from './issuer.ts';
import { generateKeys } from './keys.ts';
import { type LoopbackServer, listenOnLoopback } from './listen.ts';
import { type MutualTlsServer, startMutualTls } from './mutual-tls.ts';
import { createProjectState, type EmulatedProject, toUsualContent } from './project.ts';
import { type RunningService, type ServiceContext, startService } from './service.ts';
import { SERVICE_NAMES, type ServiceName } from './service-names.ts';
import type { ServicePolicy } from './service-policy.ts';
import { type StandIn, startStandIn } from './stand-in.ts';

export type { CredentialJson } from './credentials.ts';
export type { Fault, Faults, GoogleEndpoint } from './faults.ts';
export type { EmulatedFederation, OidcTokenChange } from './federation.ts';
export type { Mint } from './issuer.ts';
export type { MutualTls } from './mutual-tls.ts';
export type { EmulatedProject, ListedFunction, ListedService, ProjectContent } from './project.ts';
export { SERVICE_NAMES, type ServiceName } from './service-names.ts';
export type { ServicePolicy } from './service-policy.ts';
export type { StandIn, StandInGuard } from './stand-in.ts';

export interface EmulatorOptions {
  /** Everybody's clock in here: Google's, and the services'. The machine's own unless given. */
  readonly clock?: Clock;
  /** Google's port; 0, any free one, unless given. Services always take free ones. */
  readonly port?: number;
  /** Which services to start; all unless given. */
  readonly services?: readonly ServiceName[];
  /** Services that answer in place of real ones; none unless given. */
  readonly standIns?: readonly StandIn[];
  /** Life of every token, in ms; one hour unless given. Whole seconds count. */
  readonly tokenLifetimeMs?: number;
  /** The universe everything is in; `googleapis.com` unless given. */
  readonly universeDomain?: string;
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
  /** Sets it up otherwise, from the next request on; what isn't named stays. */
  set(policy: Partial<ServicePolicy>): void;
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
  /** Where each stand-in listens, by its name. */
  readonly standIns: ReadonlyMap<string, string>;
  /** Credential files, parsed. */
  readonly credentials: {
    /** Key of an account that may call every service. */
    readonly serviceAccount: CredentialJson;
    /** Key of an account that may call none. */
    readonly stranger: CredentialJson;
    readonly authorizedUser: CredentialJson;
    /** The user acting as `runner`. */
    readonly impersonated: CredentialJson;
    /** A job of the repository `example/app` on GitHub Actions, itself. */
    readonly federatedGithub: CredentialJson;
    /** The same acting as `runner`: with `service_account_impersonation_url`. */
    readonly federatedGithubRunner: CredentialJson;
    /** The role of a machine on AWS, by its metadata server, itself. */
    readonly federatedAws: CredentialJson;
    /** A person of a workforce pool; may act as `runner`. */
    readonly workforceUser: CredentialJson;
  };
  readonly federation: EmulatedFederation;
  /** What there is to be found in it. */
  readonly project: EmulatedProject;
  /** E-mail addresses. */
  readonly accounts: Readonly<Record<keyof typeof ACCOUNTS, string>>;
  /** Every token given out, oldest first; the last 10 000. */
  readonly mints: readonly Mint[];
  /** How many requests reached each endpoint of Google's, whatever became of them. */
  readonly requests: Readonly<RequestCounts>;
  readonly faults: Faults;
  /** Stops everything; whoever still waits for an answer is cut off. */
  close(): Promise<void>;
  /** Lets in nobody new; whoever still waits for an answer gets it. Resolves when all have. */
  retire(): Promise<void>;
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
    standIns = [],
    tokenLifetimeMs = TOKEN_LIFETIME_MS,
    universeDomain = DEFAULT_UNIVERSE,
  } = options;
  const keys = await generateKeys();
  const issuer = createIssuer({ clock, key: keys.google, lifetimeMs: tokenLifetimeMs });
  const state: Google = {
    clock,
    keys,
    issuer,
    user: createUserSecrets(APPLICATION_DEFAULT_CLIENT_ID),
    workforce: createUserSecrets('emulated-workforce.apps.googleusercontent.com'),
    github: createGithub({ clock, keys }),
    awsCredentials: createAwsCredentials(),
    awsSessions: createAwsSessions(clock),
    project: createProjectState(),
    universeDomain,
  };
  const faults = createFaultPlan();
  const requests = createRequestCounts();

  const handle = createGoogleHandler({ google: state, faults, requests });
  const google = await listenOnLoopback({ port, clock, handle });
  const place = { origin: google.origin, universeDomain };
  let mutualTls: Promise<MutualTlsServer> | undefined;
  const { started, stoodIn } = await startServices({ services, standIns }, { clock, issuer, keys }).catch(
    async (error: unknown) => {
      await google.close();
      throw error;
    },
  );

  state.project.set(toUsualContent(started));

  return {
    google: toGoogle(google),
    services: Object.fromEntries(started.map((service) => [service.name, toService(service)])),
    standIns: new Map(stoodIn.map(({ name, origin }) => [name, origin])),
    credentials: toCredentials(state, place),
    project: { id: PROJECT.id, number: PROJECT.number, set: (content) => state.project.set(content) },
    federation: toFederation({
      origin: google.origin,
      github: state.github,
      aws: state.awsCredentials,
      startMutualTls() {
        mutualTls ??= startMutualTls({ clock, handle, universeDomain });
        return mutualTls;
      },
    }),
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
      await Promise.all([google, ...started, ...stoodIn].map((server) => server.close()));
      await mutualTls?.then((server) => server.close());
    },
    async retire() {
      await Promise.all([google, ...started, ...stoodIn].map((server) => server.retire()));
      await mutualTls?.then((server) => server.close());
    },
  };
}

interface Started {
  readonly started: readonly RunningService<ServiceName>[];
  readonly stoodIn: readonly RunningService[];
}

/** All of them, or none. */
async function startServices(
  { services, standIns }: Pick<Required<EmulatorOptions>, 'services' | 'standIns'>,
  context: ServiceContext,
): Promise<Started> {
  const results = await Promise.all([
    Promise.allSettled([...new Set(services)].map((name) => startService(name, context))),
    Promise.allSettled(standIns.map((standIn) => startStandIn(standIn, context))),
  ]);
  const [started, stoodIn] = [toStarted(results[0]), toStarted(results[1])];
  const failed = results.flat().find((result) => result.status === 'rejected');
  if (failed === undefined) return { started, stoodIn };
  await Promise.all([...started, ...stoodIn].map((server) => server.close()));
  throw failed.reason;
}

function toStarted<T>(results: readonly PromiseSettledResult<T>[]): readonly T[] {
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
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

function toService({ name, origin, policy, set }: RunningService<ServiceName>): EmulatedService {
  return {
    name,
    url: origin,
    audience: origin,
    get customAudiences() {
      return policy().customAudiences;
    },
    set,
  };
}

function createUserSecrets(clientId: string): UserSecrets {
  return {
    clientId,
    clientSecret: `emulated-${randomBytes(12).toString('base64url')}`,
    refreshToken: `1//0emulated-${randomBytes(48).toString('base64url')}`,
  };
}

function toCredentials({ keys, user, workforce, github }: Google, place: Place): Emulator['credentials'] {
  const { developer, runner, stranger } = ACCOUNTS;
  const authorizedUser = toAuthorizedUserFile(user, place);
  return {
    serviceAccount: toServiceAccountFile(developer, keys.developer, place),
    stranger: toServiceAccountFile(stranger, keys.stranger, place),
    authorizedUser,
    impersonated: toImpersonatedFile(authorizedUser, runner, place),
    federatedGithub: toGithubFile(github, place),
    federatedGithubRunner: toGithubRunnerFile(github, place),
    federatedAws: toAwsFile(place),
    workforceUser: toWorkforceFile(workforce, place),
  };
}
