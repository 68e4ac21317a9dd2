import { isAbsolute, resolve } from 'node:path';
import type { CredentialConfig } from '../../config/config.ts';
import { type Advice, type MintFailure, toStandingError } from '../failure.ts';
import type { Credential, MintedToken, TokenRequest } from '../token-source.ts';
import { ACT_AS, adviseImpersonation, adviseKey, adviseLogin, LOGIN, toWord } from './advice.ts';
import {
  type CredentialFile,
  parseImpersonatedFile,
  readCredentialFile,
  readText,
} from './credential-file.ts';
import {
  allowForExecutables,
  findFederatedProject,
  listNamedFiles,
  mintFederated,
} from './federated-mint.ts';
import { listSubjectFiles, parseFederation } from './federation.ts';
import { findLoginFile } from './gcloud-folder.ts';
import { type KindContext, readProjectFromEnv, toMember } from './kind.ts';
import { mintFromMachine } from './metadata.ts';

/** A credential file, and what messages call it. */
interface Found {
  readonly file: CredentialFile;
  readonly origin: string;
}

const NAME = 'application default credentials';

/**
 * Application default credentials: the file in `GOOGLE_APPLICATION_CREDENTIALS`, else gcloud's, else the machine's. Looked
 * for anew at each mint.
 * https://cloud.google.com/docs/authentication/application-default-credentials
 */
export function createAdcCredential(
  _config: CredentialConfig & { kind: 'adc' },
  context: KindContext,
): Credential {
  const { endpoints, env } = context;
  const path = locate(env);
  let found = false;
  let named: readonly string[] | undefined;
  const describe = (): string => (found ? `${NAME} in ${path}` : NAME);

  const find = async (): Promise<Found | undefined> => {
    if (endpoints.applicationDefault !== undefined)
      return { file: endpoints.applicationDefault, origin: `the ${NAME}` };
    const file = await readDefaultFile(path, env);
    found = file !== undefined;
    return file && { file, origin: path };
  };

  const mintFrom = ({ file, origin }: Found, request: TokenRequest): Promise<MintedToken> => {
    const order = { request, credential: describe(), context };
    if (file.type !== 'external_account') return mintFromFile({ file, origin }, order);
    const federation = parseFederation(file, origin, context.universeDomain);
    named = listSubjectFiles(federation.subject);
    return mintFederated({ ...order, federation, account: federation.account, addAccount: ACT_AS });
  };

  return {
    kind: 'adc',
    describe,
    files() {
      if (endpoints.applicationDefault !== undefined) return [];
      named ??= listNamedFiles(path, context);
      return [path, ...named];
    },
    ...allowForExecutables(context),
    async mint(request) {
      const source = await find();
      return source === undefined ? mintFromHere(request, context) : mintFrom(source, request);
    },
    async projectId() {
      const told = readProjectFromEnv(env);
      if (told !== undefined) return told;
      const source = await find();
      if (source === undefined) return (await import('./google.ts')).findMetadataProject(context);
      const { file, origin } = source;
      if (file.type !== 'external_account')
        return readText(file, 'project_id') ?? readText(file, 'quota_project_id');
      return findFederatedProject(parseFederation(file, origin, context.universeDomain), context);
    },
  };
}

/** The one file there is: named by somebody, or gcloud's. */
function locate(env: KindContext['env']): string {
  const named = env.GOOGLE_APPLICATION_CREDENTIALS || env.google_application_credentials;
  return resolve(named || findLoginFile(env));
}

/** What the file holds; undefined when nobody named it and it isn't there. */
async function readDefaultFile(path: string, env: KindContext['env']): Promise<CredentialFile | undefined> {
  const isNamed = path !== resolve(findLoginFile(env));
  const hint = isNamed ? `Check GOOGLE_APPLICATION_CREDENTIALS, or leave it out and: ${LOGIN}` : LOGIN;
  try {
    return await readCredentialFile(path, `credential file ${path}`, hint);
  } catch (error) {
    if (!isNamed && isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
}

async function mintFromFile(
  { file, origin }: Found,
  order: { readonly request: TokenRequest; readonly credential: string; readonly context: KindContext },
): Promise<MintedToken> {
  const { mintByGoogle } = await import('./google.ts');
  return mintByGoogle({
    ...order,
    connect: (exchange) => exchange.fromFile(file, origin),
    advise: (failure) => adviseFile(failure, file, origin),
  });
}

function adviseFile(failure: MintFailure, file: CredentialFile, origin: string): Advice | undefined {
  if (file.type === 'service_account') {
    const email = readText(file, 'client_email');
    const path = isAbsolute(origin) ? origin : 'KEY_FILE';
    return adviseKey(failure, { email, uniqueId: readText(file, 'client_id'), path });
  }
  if (file.type !== 'impersonated_service_account') return adviseLogin(failure);
  const { account, delegates, source } = parseImpersonatedFile(file, origin);
  const { reason } = failure;
  if (reason !== 'PERMISSION_DENIED' && reason !== 'NOT_FOUND' && reason !== 'FAILED_PRECONDITION')
    return adviseFile(failure, source, origin);
  const member = toMember(toWord(readText(source, 'client_email') ?? readText(source, 'account'), undefined));
  return adviseImpersonation(failure, delegates[0] ?? account, member);
}

/**
 * Where there is no file, the machine may have an account. Whether there is a metadata server isn't asked first: the
 * library would remember for ever that there was none, while on GKE it comes some seconds after the start.
 */
async function mintFromHere(request: TokenRequest, context: KindContext): Promise<MintedToken> {
  const order = { request, credential: NAME, context };
  const none = { because: 'there are none on this machine', hint: LOGIN };
  // https://cloud.google.com/nodejs/docs/reference/gcp-metadata/latest#environment-variables
  const detection = context.env.METADATA_SERVER_DETECTION?.trim().toLowerCase();
  const { isOnGoogleCloud } = await import('./google.ts');
  const isHere = detection === 'assume-present' || isOnGoogleCloud();
  if (!isHere && (detection === 'none' || detection === 'bios-only'))
    throw toStandingError(order, none.because, none.hint);
  return mintFromMachine({
    ...order,
    account: 'default',
    // Elsewhere that address may be AWS's metadata server, or a hotel's login page.
    advise: ({ status, isMetadataServer }) =>
      !isHere && (!isMetadataServer || status === 404) ? none : undefined,
  });
}
