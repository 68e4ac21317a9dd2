import { type Account, findAccount, mayCreateTokens } from '../directory.ts';
import { type AccessGrant, TOKEN_LIFETIME_MS, toEmailClaims } from '../issuer.ts';
import { ApiError, answerOrApiError, invalidArgument, toErrorInfo } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toTokenAnswer } from './http.ts';

const ACCOUNT_NAME = /^projects\/-\/serviceAccounts\/([^/:]+)$/;
const REQUEST_PATH = /^\/v1\/(projects\/[^/]+\/serviceAccounts\/[^/:]+):generate(?:Id|Access)Token$/;

/** Scopes that open the IAM Service Account Credentials API. */
const SUFFICIENT_SCOPES: readonly string[] = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/iam',
];

/** Beginning of every `WWW-Authenticate` of a Google API. */
const REALM = 'Bearer realm="https://accounts.google.com/"';

interface Method {
  readonly name: string;
  readonly permission: string;
  readonly fields: readonly string[];
}

const GENERATE_ID_TOKEN: Method = {
  name: 'GenerateIdToken',
  permission: 'iam.serviceAccounts.getOpenIdToken',
  fields: ['delegates', 'audience', 'includeEmail', 'useEmailAzp', 'organizationNumberIncluded'],
};

const GENERATE_ACCESS_TOKEN: Method = {
  name: 'GenerateAccessToken',
  permission: 'iam.serviceAccounts.getAccessToken',
  fields: ['delegates', 'scope', 'lifetime'],
};

type Fields = Readonly<Record<string, unknown>>;

/**
 * `POST /v1/projects/-/serviceAccounts/{account}:generateIdToken`
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
 */
export function answerGenerateIdToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrApiError(async () => {
    const { account, fields } = authorize(request, google, GENERATE_ID_TOKEN);
    const { audience, includeEmail, useEmailAzp } = fields;
    if (typeof audience !== 'string' || audience === '') throw invalidArgument('Audience is required.');
    const order = {
      kind: 'id',
      endpoint: 'generateIdToken',
      account,
      audience,
      authorizedParty: useEmailAzp === true ? account.email : account.id,
      claims: includeEmail === true ? toEmailClaims(account) : {},
    } as const;
    return toTokenAnswer({ token: (await google.issuer.issue(order, request.reuse)).value });
  });
}

/**
 * `POST /v1/projects/-/serviceAccounts/{account}:generateAccessToken`
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 */
export function answerGenerateAccessToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrApiError(async () => {
    const { account, fields } = authorize(request, google, GENERATE_ACCESS_TOKEN);
    const scopes = toStrings(fields.scope);
    if (scopes === undefined || scopes.length === 0 || scopes.includes('')) {
      throw invalidArgument('Scope is required.');
    }
    const lifetimeMs = parseLifetimeMs(fields.lifetime);
    const order = {
      kind: 'access',
      endpoint: 'generateAccessToken',
      account,
      scopes,
      clientId: account.id,
      lifetimeMs,
    } as const;
    const { value, expiresAtMs } = await google.issuer.issue(order, request.reuse);
    const expireTime = new Date(expiresAtMs).toISOString().replace('.000Z', 'Z');
    return toTokenAnswer({ accessToken: value, expireTime });
  });
}

/** Who a token may be made for, after every check that both methods share. */
function authorize(
  request: GoogleRequest,
  google: Google,
  method: Method,
): { account: Account; fields: Fields } {
  const caller = authenticate(request, google, method);
  const fields = parseFields(request.body, method);
  const delegates = toStrings(fields.delegates ?? []);
  if (delegates === undefined) throw invalidArgument('Invalid value at "delegates".');

  const name = REQUEST_PATH.exec(request.path)?.[1] ?? '';
  const chain = [...delegates, name].map(findTarget);
  let acting = caller.account;
  for (const next of chain) {
    if (!mayCreateTokens(acting, next)) throw permissionDenied(method);
    acting = next;
  }
  return { account: acting, fields };
}

function authenticate(request: GoogleRequest, google: Google, method: Method): AccessGrant {
  const header = request.headers.authorization;
  const missing = 'Request is missing required authentication credential.';
  const invalid = 'Request had invalid authentication credentials.';
  if (header === undefined) throw unauthenticated(missing, 'CREDENTIALS_MISSING', method);
  const token = /^bearer +(\S+)$/i.exec(header)?.[1];
  const grant = token === undefined ? undefined : google.issuer.findAccessToken(token);
  if (grant === undefined) throw unauthenticated(invalid, 'ACCESS_TOKEN_EXPIRED', method);
  if (!grant.scopes.some((scope) => SUFFICIENT_SCOPES.includes(scope))) throw scopeInsufficient(method);
  return grant;
}

/** A request body: a JSON object with known fields only, in camelCase or the original snake_case. */
function parseFields(body: string, method: Method): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body === '' ? '{}' : body);
  } catch {
    throw invalidArgument('Invalid JSON payload received. Unexpected token.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument('Invalid JSON payload received. Root element must be a message.');
  }
  const fields: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!method.fields.includes(name)) {
      throw invalidArgument(
        `Invalid JSON payload received. Unknown name ${JSON.stringify(key)}: Cannot find field.`,
      );
    }
    fields[name] = field;
  }
  return fields;
}

/** The service account with a resource name; the project must be the wildcard. */
function findTarget(name: string): Account {
  const emailOrId = ACCOUNT_NAME.exec(name)?.[1];
  if (emailOrId === undefined) {
    throw invalidArgument('Name must be of the form projects/-/serviceAccounts/{ACCOUNT_EMAIL_OR_UNIQUEID}.');
  }
  const account = findAccount(emailOrId);
  if (account?.kind === 'service-account') return account;
  throw new ApiError(404, 'NOT_FOUND', `Not found; Gaia id not found for email ${emailOrId}`);
}

/** `3600s`, the default, down to anything above nothing; longer needs an organization policy that isn't there. */
function parseLifetimeMs(value: unknown): number {
  if (value === undefined) return TOKEN_LIFETIME_MS;
  const seconds = typeof value === 'string' ? /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(value)?.[1] : undefined;
  if (seconds === undefined) {
    throw invalidArgument('Invalid value at "lifetime": a duration such as "3600s" is needed.');
  }
  const lifetimeMs = Number(seconds) * 1000;
  if (lifetimeMs <= 0) throw invalidArgument('The lifetime must be positive.');
  if (lifetimeMs <= TOKEN_LIFETIME_MS) return lifetimeMs;
  throw invalidArgument(
    'To create access tokens with a lifetime longer than 1 hour, the service account must be designated as an allowed ' +
      'principal in an organization policy that enforces constraints/iam.allowServiceAccountCredentialLifetimeExtension.',
  );
}

function toStrings(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

function unauthenticated(message: string, reason: string, method: Method): ApiError {
  const advice =
    'Expected OAuth 2 access token, login cookie or other valid authentication credential. See ' +
    'https://developers.google.com/identity/sign-in/web/devconsole-project.';
  const error = reason === 'CREDENTIALS_MISSING' ? '' : ', error="invalid_token"';
  const details = [toErrorInfo(reason, 'googleapis.com', toCall(method))];
  return new ApiError(401, 'UNAUTHENTICATED', `${message} ${advice}`, {
    details,
    challenge: `${REALM}${error}`,
  });
}

function scopeInsufficient(method: Method): ApiError {
  const challenge = `${REALM}, error="insufficient_scope", scope="${SUFFICIENT_SCOPES.join(' ')}"`;
  const details = [toErrorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'googleapis.com', toCall(method))];
  return new ApiError(403, 'PERMISSION_DENIED', 'Request had insufficient authentication scopes.', {
    details,
    challenge,
  });
}

function permissionDenied({ permission }: Method): ApiError {
  const details = [toErrorInfo('IAM_PERMISSION_DENIED', 'iam.googleapis.com', { permission })];
  const message = `Permission '${permission}' denied on resource (or it may not exist).`;
  return new ApiError(403, 'PERMISSION_DENIED', message, { details });
}

function toCall({ name }: Method): Readonly<Record<string, string>> {
  return {
    service: 'iamcredentials.googleapis.com',
    method: `google.iam.credentials.v1.IAMCredentials.${name}`,
  };
}
