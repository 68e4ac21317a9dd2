import type { Clock } from '../../clock.ts';
import type { CredentialConfig, CredentialKind } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { Credential, GoogleEndpoints } from '../token-source.ts';
import { createAdcCredential } from './adc.ts';
import { listSecretVariables } from './child-environment.ts';
import { createFederatedCredential } from './federated.ts';
import { createGcloudCredential } from './gcloud.ts';
import { createImpersonateCredential } from './impersonate.ts';
import { createKeyFileCredential } from './key-file.ts';
import type { KindContext } from './kind.ts';
import { createMetadataCredential } from './metadata.ts';
import { createNoneCredential } from './none.ts';
import { createTokenCredential } from './token.ts';
import { createUserCredential } from './user.ts';

type ConfigByKind = { readonly [Config in CredentialConfig as Config['kind']]: Config };

/** Every kind there is; a new one is a file and a line here. */
const KINDS: {
  readonly [Kind in CredentialKind]: (config: ConfigByKind[Kind], context: KindContext) => Credential;
} = {
  adc: createAdcCredential,
  'key-file': createKeyFileCredential,
  user: createUserCredential,
  metadata: createMetadataCredential,
  impersonate: createImpersonateCredential,
  federated: createFederatedCredential,
  gcloud: createGcloudCredential,
  token: createTokenCredential,
  none: createNoneCredential,
};

export interface CredentialsOptions {
  /** Where Google is, for all of these credentials. */
  readonly endpoints: GoogleEndpoints;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Names of variables in there that hold secrets, besides those that these credentials name. */
  readonly secretVariables?: readonly string[];
  readonly clock: Clock;
  /** Bound for one request to Google; 5 s. */
  readonly timeoutMs?: number;
  /** `googleapis.com` if left out. */
  readonly universeDomain?: string;
}

/**
 * The identities of a configuration, by name. Nothing is read and nobody is asked before the first mint.
 * @throws ProxyError `config_invalid` for a source that doesn't exist, or that is its own source
 */
export function createCredentials(
  configs: Readonly<Record<string, CredentialConfig>>,
  { timeoutMs = 5_000, universeDomain = 'googleapis.com', ...options }: CredentialsOptions,
): Record<string, Credential> {
  const made = new Map<string, Credential>();
  const secretVariables = [...(options.secretVariables ?? []), ...listSecretVariables(configs)];
  const open: string[] = [];

  const find = (name: string): Credential => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const config = Object.hasOwn(configs, name) ? configs[name] : undefined;
    if (config === undefined)
      throw new ProxyError('config_invalid', `There are no credentials named "${name}".`);
    if (open.includes(name)) {
      throw new ProxyError(
        'config_invalid',
        `Credentials can't be their own source: ${[...open, name].join(' -> ')}.`,
      );
    }
    open.push(name);
    const credential = create(config.kind, config, {
      ...options,
      secretVariables,
      timeoutMs,
      universeDomain,
      find,
    });
    open.pop();
    made.set(name, credential);
    return credential;
  };

  return Object.fromEntries(Object.keys(configs).map((name) => [name, find(name)]));
}

function create<Kind extends CredentialKind>(
  kind: Kind,
  config: ConfigByKind[Kind],
  context: KindContext,
): Credential {
  return KINDS[kind](config, context);
}
