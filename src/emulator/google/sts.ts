import { PROVIDERS } from '../pool.ts';
import { answerOrRefusal } from './api-error.ts';
import { type Google, type GoogleAnswer, type GoogleRequest, toScopes, toTokenAnswer } from './http.ts';
import { OAuthError } from './oauth-error.ts';
import {
  identifyAwsCaller,
  identifyCertificate,
  identifyWorkflow,
  type Subject,
  type SubjectToken,
} from './subject-token.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** The longest a federated token lives. */
const LIFETIME_MS = 3_600_000;

interface Provider {
  readonly tokenTypes: readonly string[];
  /** @throws OAuthError */
  identify(token: SubjectToken, request: GoogleRequest, google: Google): Subject | Promise<Subject>;
}

const PROVIDERS_BY_NAME: Readonly<Record<string, Provider>> = {
  [PROVIDERS.github]: {
    tokenTypes: ['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'],
    identify: identifyWorkflow,
  },
  [PROVIDERS.aws]: {
    tokenTypes: ['urn:ietf:params:aws:token-type:aws4_request'],
    identify: identifyAwsCaller,
  },
  [PROVIDERS.certificate]: {
    tokenTypes: ['urn:ietf:params:oauth:token-type:mtls'],
    identify: identifyCertificate,
  },
};

const PROVIDER_NAME =
  /^\/\/iam\.googleapis\.com\/(projects\/\d+\/locations\/global\/workloadIdentityPools\/[^/]+\/providers\/[^/]+)$/;

const REFERENCE = 'https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token';

/**
 * `POST /v1/token` of the Security Token Service (RFC 8693): a token of another identity provider for a federated one.
 * https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
 */
export function answerTokenExchange(request: GoogleRequest, google: Google): Promise<GoogleAnswer> {
  return answerOrRefusal(async () => {
    const fields = parseFields(request);
    const field = (name: string): string => fields.get(name) ?? '';
    if (field('grant_type') !== TOKEN_EXCHANGE) {
      throw invalidValue('grant_type', `It must be ${TOKEN_EXCHANGE}.`);
    }
    if (field('requested_token_type') !== ACCESS_TOKEN) {
      throw invalidValue('requested_token_type', `It must be ${ACCESS_TOKEN}.`);
    }
    const audience = field('audience');
    const provider = findProvider(audience);
    if (!provider.tokenTypes.includes(field('subject_token_type'))) {
      throw invalidValue('subject_token_type', "It must be one of the provider's.");
    }
    const value = field('subject_token');
    if (value === '') throw invalidValue('subject_token', 'It must not be empty.');
    const scopes = toScopes(field('scope'));
    if (scopes.length === 0) {
      throw new OAuthError('invalid_scope', 'OAuth scopes are required for an access token.');
    }

    const { principal, expiresAtMs } = await provider.identify({ value, audience }, request, google);
    const left = expiresAtMs === undefined ? LIFETIME_MS : expiresAtMs - google.clock.now().wallMs;
    const order = {
      kind: 'access',
      endpoint: 'sts',
      holder: principal,
      scopes,
      clientId: principal.id,
      // A subject token is good for another minute of skewed clocks; what it buys then is not good for long.
      lifetimeMs: Math.min(Math.max(left, 1000), LIFETIME_MS),
    } as const;
    const issued = await google.issuer.issue(order, request.issuance);
    return toTokenAnswer({
      access_token: issued.value,
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: issued.expiresInSeconds,
    });
  });
}

/** A form, or JSON in which names may be written either way. */
function parseFields({ headers, body }: GoogleRequest): ReadonlyMap<string, string> {
  if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) {
    return new Map(new URLSearchParams(body));
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new OAuthError('invalid_request', 'Invalid JSON payload received.');
  }
  const fields = new Map<string, string>();
  for (const [key, field] of Object.entries(value ?? {})) {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (typeof field === 'string') fields.set(name, field);
  }
  return fields;
}

function findProvider(audience: string): Provider {
  const name = PROVIDER_NAME.exec(audience)?.[1];
  if (name === undefined) {
    const rule = 'This value should be the full resource name of the Identity Provider.';
    throw invalidValue('audience', `${rule} See ${REFERENCE} for the list of possible formats.`);
  }
  const provider = PROVIDERS_BY_NAME[name];
  if (provider !== undefined) return provider;
  const cause = "the pool or provider is disabled or deleted or because it doesn't exist";
  throw new OAuthError(
    'invalid_target',
    `The target service indicated by the "audience" parameters is invalid. This might either be because ${cause}.`,
  );
}

// Seen in the real answers: the texts on `audience`. The others are in their manner.
function invalidValue(name: string, rule: string): OAuthError {
  return new OAuthError('invalid_request', `Invalid value for "${name}". ${rule}`);
}
