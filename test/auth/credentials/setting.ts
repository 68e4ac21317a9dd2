import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { inspect } from 'node:util';
import { gcpMetadata } from 'google-auth-library';
import { createCredentials } from '../../../src/auth/credentials/index.ts';
import type { Credential, GoogleEndpoints, TokenRequest } from '../../../src/auth/token-source.ts';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { CredentialConfig } from '../../../src/config/config.ts';
import {
  createEmulator,
  type Emulator,
  type EmulatorOptions,
  type GoogleEndpoint,
} from '../../../src/emulator/emulator.ts';
import { isProxyError, type ProxyError } from '../../../src/errors.ts';

export const AUDIENCE = 'https://orders-abc-an.a.run.app';
export const ID: TokenRequest = { kind: 'id', audience: AUDIENCE };
export const ACCESS: TokenRequest = {
  kind: 'access',
  scopes: ['https://www.googleapis.com/auth/bigquery'],
};
export const SIGNED: TokenRequest = { kind: 'jwt', audience: 'https://iap.example.com/*' };
export const HOUR_MS = 3_600_000;

type Env = Readonly<Record<string, string | undefined>>;

export interface MakeOptions {
  readonly endpoints?: GoogleEndpoints;
  readonly env?: Env;
  readonly timeoutMs?: number;
  readonly universeDomain?: string;
  readonly clock?: Clock;
  /** Other credentials, for those that stand on them. */
  readonly others?: Readonly<Record<string, CredentialConfig>>;
}

/** An emulated Google for all tests of a file, and credentials that ask it. */
export interface Setting {
  readonly google: Emulator;
  /** Google is the emulator, also for AWS and the metadata server; `file` is what application default credentials find. */
  endpoints(file?: keyof Emulator['credentials']): GoogleEndpoints;
  /** A credential; `default` stands for application default credentials beside it. */
  make(config: CredentialConfig, options?: MakeOptions): Credential;
  /** Writes a file, and gives back its full name. */
  write(name: string, content: unknown): Promise<string>;
  /** The full name of a file that may not be there. */
  path(name: string): string;
  /** How many requests reached Google, by endpoint, while something ran. */
  count(run: () => Promise<unknown>): Promise<Partial<Record<GoogleEndpoint, number>>>;
}

/** Starts it before the first test of the file, and stops it after the last. */
export function useEmulator(options: EmulatorOptions = {}): Setting {
  let google: Emulator;
  let folder: string;
  before(async () => {
    isolate();
    google = await createEmulator({ services: [], ...options });
    folder = await mkdtemp(join(tmpdir(), 'gbp-auth-'));
  });
  beforeEach(() => google.faults.clear());
  after(async () => {
    await google.close();
    await rm(folder, { recursive: true });
  });

  const path = (name: string): string => join(folder, name);
  const setting: Setting = {
    get google() {
      return google;
    },
    endpoints(file = 'serviceAccount') {
      return {
        apisUrl: google.google.url,
        metadataHost: google.google.metadataHost,
        awsMetadataUrl: google.federation.awsMetadataUrl,
        applicationDefault: google.credentials[file],
      };
    },
    make(config, { others = {}, env = {}, clock = systemClock, ...given } = {}) {
      const bare = { CLOUDSDK_CONFIG: path('no-gcloud'), METADATA_SERVER_DETECTION: 'none' };
      const { it } = createCredentials(
        { default: { kind: 'adc' }, ...others, it: config },
        { endpoints: setting.endpoints(), ...given, env: { ...bare, ...env }, clock },
      );
      assert.ok(it);
      return it;
    },
    async write(name, content) {
      await writeFile(path(name), typeof content === 'string' ? content : JSON.stringify(content));
      return path(name);
    },
    path,
    async count(run) {
      const before = { ...google.requests };
      await run();
      const counted = Object.entries(google.requests).map(
        ([name, count]) => [name, count - before[name as GoogleEndpoint]] as const,
      );
      return Object.fromEntries(counted.filter(([, count]) => count > 0));
    },
  };
  return setting;
}

/** Nothing of the machine that runs the tests may show through, and nothing may reach for the network. */
function isolate(): void {
  const told = /^(GOOGLE_|GCLOUD_|CLOUDSDK_|GCE_|AWS_|ACTIONS_|GITHUB_|no_proxy$|NO_PROXY$)/i;
  for (const name of Object.keys(process.env)) if (told.test(name)) delete process.env[name];
  process.env.METADATA_SERVER_DETECTION = 'none';
  gcpMetadata.setGCPResidency(false);
  // A proxy that isn't there: whatever reaches for it fails.
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'])
    process.env[name] = 'http://127.0.0.1:9';
}

/** Why a mint failed. */
export async function failure(credential: Credential, request: TokenRequest = ID): Promise<ProxyError> {
  const error = await credential.mint(request).then(
    () => assert.fail('a token was minted'),
    (thrown: unknown) => thrown,
  );
  assert.ok(isProxyError(error), inspect(error));
  assert.match(error.message, /\.$/, 'a sentence');
  return error;
}

/** Everything about an error that could be written anywhere. */
export function show(error: unknown): string {
  const stack = error instanceof Error ? error.stack : '';
  return `${inspect(error, { depth: 20, showHidden: true })}${JSON.stringify(error)}${stack}`;
}

export function impersonate(
  account: string,
  source = 'default',
  delegates: readonly string[] = [],
): CredentialConfig {
  return { kind: 'impersonate', account, source, delegates };
}
