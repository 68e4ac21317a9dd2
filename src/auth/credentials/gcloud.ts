import { join } from 'node:path';
import type { CredentialConfig } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import { scrub, toStandingError, withoutStop } from '../failure.ts';
import { describeRequest, toBadAnswer, toMintedIdToken } from '../minted.ts';
import type { Credential, MintedToken, TokenRequest } from '../token-source.ts';
import type { ActorOrder } from './actor.ts';
import { ACT_AS } from './advice.ts';
import { type CredentialFile, isObject, readText } from './credential-file.ts';
import { COMMAND_TIMEOUT_MS, type GcloudRun, runGcloud } from './gcloud-command.ts';
import { findGcloudFolder } from './gcloud-folder.ts';
import { CLOUD_PLATFORM, isEmulated, type KindContext, readProjectFromEnv } from './kind.ts';

/** Two runs, and some time to spare. */
const MINT_TIMEOUT_MS = 2 * COMMAND_TIMEOUT_MS + 1_000;

/** Written at each login and change of a setting. Its data bases change with every run, if only their times do. */
const SENTINEL = 'config_sentinel';

/** gcloud gives ID tokens for an audience to service accounts, and to people those for itself. */
const NOT_FOR_PEOPLE = /Invalid account type for `--audiences`/;
const NO_ID_TOKEN = /No identity token can be obtained/;
const FIXED_SCOPES = /Invalid value for \[--scopes\]/;

/**
 * Whoever is logged in to the gcloud command, people and service accounts alike.
 * https://cloud.google.com/sdk/gcloud/reference/auth/print-identity-token
 */
export function createGcloudCredential(
  { account }: CredentialConfig & { kind: 'gcloud' },
  context: KindContext,
): Credential {
  const credential = account === undefined ? "gcloud's active account" : `gcloud's account ${account}`;
  const folder = findGcloudFolder(context.env);
  return {
    kind: 'gcloud',
    describe: () => credential,
    files: () => [join(folder, SENTINEL)],
    mintTimeoutMs: MINT_TIMEOUT_MS,
    async mint(request) {
      const order: GcloudOrder = { request, credential, context, account };
      if (isEmulated(context))
        throw toStandingError(order, 'its tokens are for the real Google', USE_DEFAULT);
      switch (request.kind) {
        case 'id':
          return mintIdToken(request, order);
        case 'access':
          return mintAccessToken(request, order);
        case 'jwt':
          throw toStandingError(order, 'only service accounts sign JWTs', ACT_AS);
      }
    },
    async projectId() {
      const known = context.env.CLOUDSDK_CORE_PROJECT || readProjectFromEnv(context.env);
      if (known !== undefined) return known;
      const run = await runGcloud(['config', 'get-value', 'core/project', '--format=json'], context);
      const project = run.outcome === 'done' ? parseJson(run.stdout) : undefined;
      return typeof project === 'string' ? project : undefined;
    },
  };
}

interface GcloudOrder extends ActorOrder {
  readonly account: string | undefined;
}

/** An answer of Google's token endpoint (RFC 6749, section 5.2), as Python prints it. */
const REFUSAL = /\(["']((internal_failure|server_error|temporarily_unavailable)?\w*: [^"']*)/;
const PRINT_ID = ['auth', 'print-identity-token'];
/** Prints an access token that is new, when it ends, and the settings. */
const REFRESH = ['config', 'config-helper', '--force-auth-refresh'];
const USE_DEFAULT = 'Use { kind: adc } for emulated services.';

async function mintIdToken(
  request: TokenRequest & { readonly kind: 'id' },
  order: GcloudOrder,
): Promise<MintedToken> {
  const { account, credential } = order;
  const isPerson = account !== undefined && !isServiceAccount(account);
  const ended = isPerson ? undefined : await run([...PRINT_ID, `--audiences=${request.audience}`], order);
  if (ended === undefined || isRefusal(ended, NOT_FOR_PEOPLE)) {
    const { id_token: token } = readAnswer(await run(PRINT_ID, order), order);
    return toMintedIdToken(token, request, credential, undefined);
  }
  if (!isRefusal(ended, NO_ID_TOKEN)) {
    const { id_token: token } = readAnswer(ended, order);
    const minted = toMintedIdToken(token, request, credential, undefined);
    if (minted.audience === request.audience) return minted;
  }
  // When Google refuses a service account, gcloud keeps it to itself and prints a token for its own client, if it still
  // has one. Asked for an access token, it says why.
  readAnswer(await run(REFRESH, order), order);
  throw toPassingError(order, 'gcloud gave none for this audience', toTrial(request));
}

async function mintAccessToken(
  { scopes }: TokenRequest & { readonly kind: 'access' },
  order: GcloudOrder,
): Promise<MintedToken> {
  if (scopes.some((scope) => scope !== CLOUD_PLATFORM)) return mintScopedToken(scopes, order);
  const ended = await run(REFRESH, order);
  const { credential = {}, configuration = {} } = readAnswer(ended, order);
  const value = readText(toObject(credential), 'access_token');
  if (value === undefined) throw toBadAnswer(order.request, order.credential, 'it holds no access token');
  const expiresAtMs = Date.parse(readText(toObject(credential), 'token_expiry') ?? '');
  // Of some accounts gcloud doesn't know it.
  if (Number.isNaN(expiresAtMs)) return inspect(value, order);
  const { core, billing } = toObject(toObject(configuration).properties);
  return {
    value,
    expiresAtMs,
    issuedAtMs: undefined,
    issuerNowMs: undefined,
    identity: readText(toObject(core), 'account'),
    quotaProject:
      order.context.env.GOOGLE_CLOUD_QUOTA_PROJECT || readQuotaProject(toObject(billing), toObject(core)),
  };
}

/** For other scopes than gcloud's own. It doesn't say when such a token ends, but Google does. */
async function mintScopedToken(scopes: readonly string[], order: GcloudOrder): Promise<MintedToken> {
  const ended = await run(['auth', 'print-access-token', `--scopes=${scopes.join(',')}`], order);
  if (isRefusal(ended, FIXED_SCOPES)) {
    const hint = `token: { kind: access, scopes: [${CLOUD_PLATFORM}] }, or { kind: user } after: gcloud auth application-default login --scopes=${[CLOUD_PLATFORM, ...scopes].join(',')}`;
    throw toStandingError(order, "people's tokens from gcloud have the scopes they logged in with", hint);
  }
  const value = readText(readAnswer(ended, order), 'token');
  if (value === undefined) throw toBadAnswer(order.request, order.credential, 'it holds no access token');
  return inspect(value, order);
}

async function inspect(value: string, order: GcloudOrder): Promise<MintedToken> {
  const { inspectAccessToken } = await import('./token-info.ts');
  return inspectAccessToken(value, { ...order, advise: () => undefined });
}

function run(args: readonly string[], { account, context }: GcloudOrder): Promise<GcloudRun> {
  const whose = account === undefined ? [] : [`--account=${account}`];
  return runGcloud([...args, ...whose, '--format=json'], context);
}

function isRefusal(ended: GcloudRun, words: RegExp): boolean {
  return ended.outcome === 'failed' && words.test(ended.stderr);
}

/** What gcloud printed, or why it didn't. */
function readAnswer(ended: GcloudRun, order: GcloudOrder): CredentialFile {
  const { request, credential, account } = order;
  switch (ended.outcome) {
    case 'done': {
      const answer = parseJson(ended.stdout);
      if (isObject(answer)) return answer;
      throw toBadAnswer(request, credential, 'it is not JSON');
    }
    case 'failed':
      throw toFailure(ended.stderr, order);
    case 'hung':
      throw toPassingError(
        order,
        `gcloud did not end within ${COMMAND_TIMEOUT_MS / 1000} s`,
        toTrial(request),
      );
    case 'absent': {
      const hint =
        'Install it: https://cloud.google.com/sdk/docs/install, or use { kind: adc }, which needs no gcloud.';
      throw toStandingError(order, 'there is no gcloud on the PATH', hint);
    }
    case 'unsafe': {
      const what = account === undefined ? 'the audience' : 'the audience or the account';
      throw toStandingError(order, `${what} has characters that gcloud can't be given`, 'Use { kind: adc }.');
    }
  }
}

/** What gcloud says and, as it says "gcloud auth login" to nearly everything, what helps. */
function toFailure(stderr: string, order: GcloudOrder): ProxyError {
  const login = order.account === undefined ? 'gcloud auth login' : `gcloud auth login ${order.account}`;
  const isAccount = isServiceAccount(order.account ?? /for account (\S+?):? /.exec(stderr)?.[1] ?? '');
  const renew = isAccount ? 'gcloud auth activate-service-account --key-file=KEY.json' : login;
  if (/do not currently have an active account/.test(stderr))
    return toStandingError(order, 'nobody is logged in to gcloud', login);
  if (/does not have any valid credentials/.test(stderr))
    return toStandingError(order, 'gcloud has no login for it', renew);
  if (/reauth/i.test(stderr))
    return toStandingError(order, 'your organization wants you to log in again', login);
  if (/ConnectionPool|ConnectionError|Connection aborted|Max retries|timed out|TransportError/i.test(stderr))
    return toPassingError(order, "gcloud can't reach Google");
  const [, refusal, isPassing] = REFUSAL.exec(stderr) ?? [];
  if (refusal !== undefined) {
    const because = `Google answered gcloud ${withoutStop(scrub(refusal))}`;
    return isPassing === undefined ? toStandingError(order, because, renew) : toPassingError(order, because);
  }
  // What follows is Google's answer, whatever it was.
  if (/problem refreshing|gcloud crashed/.test(stderr))
    return toPassingError(order, "gcloud can't read Google's answer", toTrial(order.request));
  const words = /^ERROR: (?:\([\w.-]+\) )?(.+)/m.exec(stderr)?.[1];
  const because = words === undefined ? 'gcloud failed' : `gcloud failed: ${withoutStop(scrub(words))}`;
  return toStandingError(order, because, toTrial(order.request));
}

function toPassingError({ request, credential }: GcloudOrder, because: string, hint?: string): ProxyError {
  const message = `Could not get ${describeRequest(request)} from ${credential}: ${because}.`;
  return new ProxyError('token_unavailable', message, { hint });
}

/** The command that shows the same by hand. */
function toTrial({ kind }: TokenRequest): string {
  return `gcloud auth ${kind === 'id' ? 'print-identity-token' : 'print-access-token'}`;
}

/** As gcloud itself reads that setting; by default its own project is billed, which others can't use. */
function readQuotaProject(billing: CredentialFile, core: CredentialFile): string | undefined {
  const setting = readText(billing, 'quota_project');
  if (setting?.startsWith('CURRENT_PROJECT')) return readText(core, 'project');
  return setting === 'LEGACY' ? undefined : setting;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toObject(value: unknown): CredentialFile {
  return isObject(value) ? value : {};
}

function isServiceAccount(account: string): boolean {
  return account.endsWith('gserviceaccount.com');
}
