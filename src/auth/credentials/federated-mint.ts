import { readFileSync } from 'node:fs';
import { type Advice, type MintFailure, toStandingError } from '../failure.ts';
import { decodeClaims, type JwtClaims } from '../jwt.ts';
import type { MintedToken } from '../token-source.ts';
import type { ActorOrder } from './actor.ts';
import { adviseImpersonation } from './advice.ts';
import { isObject } from './credential-file.ts';
import { type Federation, listSubjectFiles, parseFederation } from './federation.ts';
import type { KindContext } from './kind.ts';

/** Enough for tokens; what is signed takes the role that impersonation takes. */
const WORKLOAD_USER = 'roles/iam.workloadIdentityUser';
const PROVIDER =
  /^\/\/iam\.googleapis\.com\/((?:projects\/(\d+)\/)?locations\/[\w-]+\/(workloadIdentityPools|workforcePools)\/([\w-]+))\/providers\/([\w-]+)$/;
/** What a claim may be made of to be shown in a command without quotes. */
const PLAIN = /^[\w:./@+=,-]{1,200}$/;
/** A program may take longer than Google: it has 30 s unless its file says otherwise. */
const EXECUTABLE_MINT_TIMEOUT_MS = 40_000;

export interface FederatedOrder extends ActorOrder {
  readonly federation: Federation;
  /** The service account to act as. */
  readonly account: string | undefined;
  /** What to do where a token takes an account, and there is none. */
  readonly addAccount: string;
}

/**
 * Has a token minted for a workload elsewhere. ID tokens are made for its service account with the federated token
 * itself, so no more is needed than the right to act as it.
 * @throws ProxyError as `Credential.mint`
 */
export async function mintFederated(order: FederatedOrder): Promise<MintedToken> {
  const { federation, account, addAccount, request } = order;
  if (account === undefined && request.kind !== 'access') {
    const what = request.kind === 'id' ? 'gets ID tokens' : 'signs JWTs';
    throw toStandingError(order, `only a service account ${what}, and this acts as none`, addAccount);
  }
  const { mintByGoogle } = await import('./google.ts');
  let claims: JwtClaims = {};
  const onSubject = (token: string): void => {
    claims = readClaims(token);
  };
  return mintByGoogle({
    ...order,
    connect: (exchange) => exchange.fromFederation({ federation, account, onSubject }),
    advise: (failure) => advise(failure, order, claims),
  });
}

/** The project of a federated identity: as its file says, or the one its pool is in. */
export async function findFederatedProject(
  federation: Federation,
  context: KindContext,
): Promise<string | undefined> {
  const told = federation.quotaProject ?? federation.userProject;
  return told ?? (await import('./google.ts')).findPoolProject(federation, context);
}

/**
 * The files that a credential file names, where it is that of a workload elsewhere. Read at once, as whoever watches
 * files has to know them all before the first mint; none where it can't be read.
 */
export function listNamedFiles(path: string, { universeDomain }: KindContext): readonly string[] {
  try {
    const file: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isObject(file) || file.type !== 'external_account') return [];
    return listSubjectFiles(parseFederation(file, path, universeDomain).subject);
  } catch {
    return [];
  }
}

/** More time for a mint, where programs may be started for it. */
export function allowForExecutables({ env }: KindContext): { readonly mintTimeoutMs?: number } {
  const allowed = env.GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES === '1';
  return allowed ? { mintTimeoutMs: EXECUTABLE_MINT_TIMEOUT_MS } : {};
}

function advise(
  failure: MintFailure,
  { account, federation, request }: FederatedOrder,
  claims: JwtClaims,
): Advice | undefined {
  const { status, reason } = failure;
  const isIam = reason === 'PERMISSION_DENIED' || reason === 'NOT_FOUND' || reason === 'FAILED_PRECONDITION';
  if (isIam && account !== undefined)
    return adviseImpersonation(
      failure,
      account,
      toPoolMember(federation, claims),
      request.kind === 'jwt' ? undefined : WORKLOAD_USER,
    );
  // What else is refused was refused by the provider: for its issuer, its audiences or its condition.
  return status !== undefined && status < 500 && status !== 429 ? toDescribeCommand(federation) : undefined;
}

/**
 * The workload as IAM policies name it, as far as what it showed tells. How a pool maps it is up to the pool; these are
 * the mappings in Google's own instructions.
 * https://cloud.google.com/iam/docs/principal-identifiers
 */
function toPoolMember({ audience, subject }: Federation, { sub, repository }: JwtClaims): string {
  const pool = `iam.googleapis.com/${PROVIDER.exec(audience)?.[1] ?? 'POOL'}`;
  if (subject.kind === 'aws')
    return `principalSet://${pool}/attribute.aws_role/arn:aws:sts::AWS_ACCOUNT:assumed-role/AWS_ROLE`;
  if (typeof repository === 'string' && PLAIN.test(repository))
    return `principalSet://${pool}/attribute.repository/${repository}`;
  return `principal://${pool}/subject/${typeof sub === 'string' && PLAIN.test(sub) ? sub : 'SUBJECT'}`;
}

function toDescribeCommand({ audience }: Federation): string | undefined {
  const [, , project, sort, pool, provider] = PROVIDER.exec(audience) ?? [];
  if (provider === undefined) return undefined;
  return sort === 'workforcePools'
    ? `gcloud iam workforce-pools providers describe ${provider} --workforce-pool=${pool} --location=global`
    : `gcloud iam workload-identity-pools providers describe ${provider} --workload-identity-pool=${pool} --location=global --project=${project}`;
}

function readClaims(token: string): JwtClaims {
  try {
    return decodeClaims(token);
  } catch {
    return {};
  }
}
