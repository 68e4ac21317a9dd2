import { TOKEN_LIFETIME_MS, toEmailClaims } from '../issuer.ts';
import { type Claims, signJwt } from '../jwt.ts';
import { answerOrRefusal, invalidArgument } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toTokenAnswer } from './http.ts';
import { authorize, type IamMethod, toStrings } from './iam-request.ts';

const GENERATE_ID_TOKEN: IamMethod = {
  name: 'GenerateIdToken',
  permission: 'iam.serviceAccounts.getOpenIdToken',
  fields: ['delegates', 'audience', 'includeEmail', 'useEmailAzp', 'organizationNumberIncluded'],
};

const GENERATE_ACCESS_TOKEN: IamMethod = {
  name: 'GenerateAccessToken',
  permission: 'iam.serviceAccounts.getAccessToken',
  fields: ['delegates', 'scope', 'lifetime'],
};

const SIGN_JWT: IamMethod = {
  name: 'SignJwt',
  permission: 'iam.serviceAccounts.signJwt',
  fields: ['delegates', 'payload'],
};

/** What `signJwt` adds where a payload has no `exp`, and the most it takes: 1 and 12 hours. */
const USUAL_LIFETIME_SECONDS = 3600;
const MAX_LIFETIME_SECONDS = 43_200;

/**
 * `POST /v1/projects/-/serviceAccounts/{account}:generateIdToken`
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
 */
export function answerGenerateIdToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { account, fields } = await authorize(request, google, GENERATE_ID_TOKEN);
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
    return toTokenAnswer({ token: (await google.issuer.issue(order, request.issuance)).value });
  });
}

/**
 * `POST /v1/projects/-/serviceAccounts/{account}:generateAccessToken`
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
 */
export function answerGenerateAccessToken(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { account, fields } = await authorize(request, google, GENERATE_ACCESS_TOKEN);
    const scopes = toStrings(fields.scope);
    if (scopes === undefined || scopes.length === 0 || scopes.includes('')) {
      throw invalidArgument('Scope is required.');
    }
    const lifetimeMs = parseLifetimeMs(fields.lifetime);
    const order = {
      kind: 'access',
      endpoint: 'generateAccessToken',
      holder: account,
      scopes,
      clientId: account.id,
      lifetimeMs,
    } as const;
    const { value, expiresAtMs } = await google.issuer.issue(order, request.issuance);
    const expireTime = new Date(expiresAtMs).toISOString().replace('.000Z', 'Z');
    return toTokenAnswer({ accessToken: value, expireTime });
  });
}

/**
 * `POST /v1/projects/-/serviceAccounts/{account}:signJwt`: signs with the key that Google keeps for the account.
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
 */
export function answerSignJwt(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const { account, fields } = await authorize(request, google, SIGN_JWT);
    const now = Math.floor((google.clock.now().wallMs + (request.issuance.clockOffsetMs ?? 0)) / 1000);
    const claims = parsePayload(fields.payload, now);
    const key = await google.keys.managed(account);
    const signedJwt = await signJwt(claims, key.privateKey, key.id);
    google.issuer.record({ endpoint: 'signJwt', kind: 'jwt', identity: account.email, value: signedJwt });
    return toTokenAnswer({ keyId: key.id, signedJwt });
  });
}

/** The claims of a JWT to be signed; with `exp` added where there is none. */
function parsePayload(payload: unknown, now: number): Claims {
  let claims: unknown;
  try {
    claims = typeof payload === 'string' ? JSON.parse(payload) : undefined;
  } catch {}
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw invalidArgument('Payload must be a serialized JSON object that contains a JWT Claims Set.');
  }
  const { exp = now + USUAL_LIFETIME_SECONDS, ...others }: Record<string, unknown> = { ...claims };
  if (!Number.isInteger(exp) || Number(exp) < now || Number(exp) > now + MAX_LIFETIME_SECONDS) {
    const rule = 'an integer timestamp that is not in the past and no more than 12 hours in the future';
    throw invalidArgument(`The expiration time (exp) claim must be ${rule}.`);
  }
  return { ...others, exp };
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
