import type { IdentityPoolClientOptions } from 'google-auth-library';
import { isProxyError } from '../../errors.ts';
import { type Advice, type MintFailure, toMintError } from '../failure.ts';
import {
  type AccessToken,
  type Actor,
  fetchByClient,
  type MintSession,
  requireToken,
  toScopes,
} from './actor.ts';
import { createAwsSupplier } from './aws.ts';
import { runExecutable } from './executable.ts';
import type { Federation, SubjectSource } from './federation.ts';
import { createImpersonatedActor } from './impersonation.ts';
import { CLOUD_PLATFORM } from './kind.ts';
import { AwsClient, gaxios, IdentityPoolClient } from './library.ts';
import { watchTraffic } from './traffic.ts';

/** What the library signs for AWS's STS unless told otherwise. */
const AWS_STS_URL = 'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15';

export interface FederatedOptions {
  readonly federation: Federation;
  /** The service account to act as; undefined: nobody. */
  readonly account: string | undefined;
  /** Gets what the workload showed, before it is exchanged. */
  readonly onSubject?: (token: string) => void;
}

/**
 * A workload elsewhere: as a service account, which is asked for with the federated token itself so that the right to act
 * as it is enough, or as nobody but itself.
 * https://cloud.google.com/iam/docs/workload-identity-federation
 */
export function createFederatedActor(session: MintSession, options: FederatedOptions): Actor {
  const { federation, account } = options;
  const { lifetimeSeconds, quotaProject, endpoint } = federation;
  const scopes = account === undefined ? toScopes(session.order.request) : [CLOUD_PLATFORM];
  const connect = (): Promise<IdentityPoolClient> => connectFederated(session, options, scopes);
  if (account === undefined) {
    const fetchAccessToken = async (): Promise<AccessToken> => fetchByClient(await connect());
    return { email: undefined, quotaProject, fetchAccessToken };
  }
  return createImpersonatedActor(session, {
    account,
    delegates: [],
    async fetchSource() {
      const client = await connect();
      const { transporter } = client;
      return { ...requireToken(session.order, await fetchByClient(client)), transporter };
    },
    lifetimeSeconds,
    quotaProject,
    endpoint,
  });
}

/**
 * The library's client for a federated identity, once the workload has shown who it is. In two steps, so that a failure
 * of the first is told from one of Google's.
 * @throws ProxyError when there is nothing to show
 */
export async function connectFederated(
  session: MintSession,
  options: FederatedOptions,
  scopes: readonly string[],
): Promise<IdentityPoolClient> {
  const { federation, onSubject } = options;
  const { client, userProject, quotaProject, endpoint } = federation;
  const { token, transporter } = await readSubject(session, options);
  onSubject?.(token);
  const exchange = new TokenExchange(
    {
      audience: federation.audience,
      subject_token_type: federation.subjectTokenType,
      token_url: federation.tokenUrl,
      subject_token_supplier: { getSubjectToken: async () => token },
      scopes: [...scopes],
      universeDomain: session.order.context.universeDomain,
      transporter,
      ...(endpoint !== undefined && { cloud_resource_manager_url: `${endpoint}/v1/projects/` }),
      ...(client !== undefined && { client_id: client.id }),
      ...(client?.secret !== undefined && { client_secret: client.secret }),
      ...(userProject !== undefined && { workforce_pool_user_project: userProject }),
    },
    federation.subject.kind,
  );
  if (quotaProject !== undefined) exchange.quotaProjectId = quotaProject;
  return exchange;
}

/** The exchange at Google's Security Token Service, through our transporter: the library gives it one of its own. */
class TokenExchange extends IdentityPoolClient {
  constructor(options: IdentityPoolClientOptions, source: SubjectSource['kind']) {
    super(options);
    // Told to Google in a header.
    this.credentialSourceType = source;
    Object.assign(this.stsCredential, { transporter: this.transporter });
  }
}

interface ShownSubject {
  readonly token: string;
  /** Through which it has to be exchanged: what is bound to a certificate goes with that. */
  readonly transporter: gaxios.Gaxios;
}

async function readSubject(session: MintSession, options: FederatedOptions): Promise<ShownSubject> {
  try {
    return await askForSubject(session, options);
  } catch (thrown) {
    if (isProxyError(thrown)) throw thrown;
    const { request, credential, context } = session.order;
    throw toMintError(thrown, {
      request,
      credential,
      advise: (failure) => adviseSubject(options.federation.subject, failure),
      localNowMs: context.clock.now().wallMs,
    });
  }
}

async function askForSubject(
  { order, transporter }: MintSession,
  { federation, account }: FederatedOptions,
): Promise<ShownSubject> {
  const { subject, audience, subjectTokenType } = federation;
  const { request, credential, context } = order;
  const base = { audience, subject_token_type: subjectTokenType, transporter };
  if (subject.kind === 'executable') {
    const token = await runExecutable({ executable: subject, federation, account, context, subject: order });
    return { token, transporter };
  }
  if (subject.kind === 'aws') {
    const localNowMs = context.clock.now().wallMs;
    const supplier = createAwsSupplier(subject, context.env, { request, credential, localNowMs });
    const client = new AwsClient({ ...base, aws_security_credentials_supplier: supplier });
    // China has a domain of its own, which the library lets no supplier say.
    if (subject.verificationUrl !== AWS_STS_URL)
      Object.assign(client, { regionalCredVerificationUrl: subject.verificationUrl });
    return { token: await client.retrieveSubjectToken(), transporter };
  }
  const client = new IdentityPoolClient({ ...base, credential_source: toLibrarySource(subject) });
  const token = (await client.retrieveSubjectToken()).trim();
  const { agent } = client.transporter.defaults;
  const isBound = subject.kind === 'certificate' && agent !== undefined;
  return { token, transporter: isBound ? watchTraffic(new gaxios.Gaxios({ agent })) : transporter };
}

type LibrarySource = NonNullable<IdentityPoolClientOptions['credential_source']>;

function toLibrarySource(
  subject: SubjectSource & { readonly kind: 'file' | 'url' | 'certificate' },
): LibrarySource {
  if (subject.kind === 'certificate') {
    const { configPath, trustChainPath } = subject;
    const certificate = {
      ...(configPath === undefined
        ? { use_default_certificate_config: true }
        : { certificate_config_location: configPath }),
      ...(trustChainPath !== undefined && { trust_chain_path: trustChainPath }),
    };
    return { certificate };
  }
  const { field } = subject;
  const format = {
    type: field === undefined ? 'text' : 'json',
    ...(field !== undefined && { subject_token_field_name: field }),
  } as const;
  return subject.kind === 'file'
    ? { file: subject.path, format }
    : { url: subject.url, headers: { ...subject.headers }, format };
}

function adviseSubject(subject: SubjectSource, { reason, status }: MintFailure): Advice | undefined {
  if (subject.kind === 'file') {
    const because =
      reason === 'ENOENT' ? `there is no file ${subject.path}` : `the file ${subject.path} holds no token`;
    return { because, hint: 'Have the token of the workload written there, and renewed before it ends.' };
  }
  if (subject.kind !== 'url' || (status !== 401 && status !== 403)) return undefined;
  return 'What allowed asking for the token of the workload is over or lacks the right; a GitHub job needs `permissions: { id-token: write }`, and can ask as long as it runs.';
}
