import type { CredentialConfig, FederationConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import { toStandingError } from '../failure.ts';
import type { Credential, TokenRequest } from '../token-source.ts';
import type { ActorOrder } from './actor.ts';
import { type CredentialFile, readCredentialFile } from './credential-file.ts';
import {
  allowForExecutables,
  findFederatedProject,
  listNamedFiles,
  mintFederated,
} from './federated-mint.ts';
import { type Federation, listSubjectFiles, parseFederation } from './federation.ts';
import { CLOUD_PLATFORM, type KindContext, readProjectFromEnv } from './kind.ts';

type Inline = Exclude<FederationConfig, { readonly kind: 'config-file' }>;

const ADD_ACCOUNT = 'Add the line: serviceAccount: NAME@PROJECT.iam.gserviceaccount.com';
const AWS_METADATA_URL = 'http://169.254.169.254/latest';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const AWS_TYPE = 'urn:ietf:params:aws:token-type:aws4_request';
const FOR_PROJECT: TokenRequest = { kind: 'access', scopes: [CLOUD_PLATFORM] };

/**
 * A workload elsewhere, known to Google by a workload identity pool: a GitHub Actions job, a role on AWS, the holder of an
 * OIDC token, or what a credential configuration file says.
 * https://cloud.google.com/iam/docs/workload-identity-federation
 */
export function createFederatedCredential(
  { from, serviceAccount }: CredentialConfig & { kind: 'federated' },
  context: KindContext,
): Credential {
  let account = serviceAccount;
  let named: readonly string[] | undefined;
  const describe = (): string => `${describeSource(from)}${account === undefined ? '' : ` as ${account}`}`;

  const read = async (request: TokenRequest): Promise<Federation> => {
    const { universeDomain } = context;
    if (from.kind !== 'config-file') {
      const file = toFile(from, { request, credential: describe(), context });
      return parseFederation(file, describeSource(from), universeDomain);
    }
    const { path } = from;
    const file = await readCredentialFile(path, `credential configuration file ${path}`);
    if (file.type !== 'external_account') throw toTypeError(path);
    const federation = parseFederation(file, path, universeDomain);
    named = listSubjectFiles(federation.subject);
    account = serviceAccount ?? federation.account;
    return federation;
  };

  return {
    kind: 'federated',
    describe,
    files() {
      if (from.kind === 'token-file') return [from.path];
      if (from.kind !== 'config-file') return [];
      named ??= listNamedFiles(from.path, context);
      return [from.path, ...named];
    },
    ...(from.kind === 'config-file' && allowForExecutables(context)),
    async mint(request) {
      const federation = await read(request);
      return mintFederated({
        request,
        credential: describe(),
        context,
        federation,
        account,
        addAccount: ADD_ACCOUNT,
      });
    },
    async projectId() {
      const told = readProjectFromEnv(context.env);
      return told ?? findFederatedProject(await read(FOR_PROJECT), context);
    },
  };
}

function describeSource(from: FederationConfig): string {
  if (from.kind === 'config-file') return `federated identity in ${from.path}`;
  const [, pool, provider] = /\/([^/]+)\/providers\/([^/]+)$/.exec(from.provider) ?? [];
  const who = {
    github: 'GitHub Actions job',
    aws: 'AWS role',
    'token-file': 'workload with an OIDC token',
  }[from.kind];
  return `${who} (${pool}/${provider})`;
}

/** The credential configuration file that gcloud would write for it. */
function toFile(from: Inline, order: ActorOrder): CredentialFile {
  const { universeDomain } = order.context;
  return {
    type: 'external_account',
    audience: `//iam.googleapis.com/${from.provider}`,
    subject_token_type: from.kind === 'aws' ? AWS_TYPE : JWT_TYPE,
    token_url: `https://sts.${universeDomain}/v1/token`,
    credential_source: toSource(from, order),
    universe_domain: universeDomain,
  };
}

function toSource(from: Inline, order: ActorOrder): CredentialFile {
  switch (from.kind) {
    case 'token-file':
      return { file: from.path };
    case 'aws':
      return {
        environment_id: 'aws1',
        region_url: `${AWS_METADATA_URL}/meta-data/placement/availability-zone`,
        url: `${AWS_METADATA_URL}/meta-data/iam/security-credentials`,
        imdsv2_session_token_url: `${AWS_METADATA_URL}/api/token`,
        regional_cred_verification_url:
          'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15',
      };
    case 'github':
      return toGithubSource(from.provider, order);
  }
}

/**
 * A job asks its runner for a token, for the audience that a provider expects unless it was made to expect another.
 * https://docs.github.com/actions/reference/security/oidc
 */
function toGithubSource(provider: string, order: ActorOrder): CredentialFile {
  const { env } = order.context;
  const { ACTIONS_ID_TOKEN_REQUEST_URL: requestUrl, ACTIONS_ID_TOKEN_REQUEST_TOKEN: requestToken } = env;
  const url = URL.parse(requestUrl ?? '');
  if (url === null || !requestToken) {
    if (env.GITHUB_ACTIONS !== 'true')
      throw toStandingError(order, 'this is no GitHub Actions job', 'Elsewhere, use { kind: adc }.');
    throw toStandingError(
      order,
      'this GitHub Actions job may not ask for a token',
      'Add to the job: permissions: { id-token: write, contents: read }. Jobs of pull requests from forks never may.',
    );
  }
  url.searchParams.set('audience', `https://iam.googleapis.com/${provider}`);
  return {
    url: url.href,
    headers: { Authorization: `Bearer ${requestToken}` },
    format: { type: 'json', subject_token_field_name: 'value' },
  };
}

function toTypeError(path: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `The file ${path} is not a credential configuration file: its "type" is not external_account.`,
    { hint: 'gcloud iam workload-identity-pools create-cred-config' },
  );
}
