import {
  type AuthClient,
  Compute,
  GoogleAuth,
  gaxios,
  gcpMetadata,
  type IdTokenProvider,
  Impersonated,
  type ImpersonatedOptions,
  JWT,
  type JWTInput,
  OAuth2Client,
  UserRefreshClient,
} from 'google-auth-library';
import { isProxyError, ProxyError } from '../../errors.ts';
import { type MintFailure, toMintError } from '../failure.ts';
import { decodeClaims } from '../jwt.ts';
import { toBadAnswer, toMintedIdToken } from '../minted.ts';
import type { MintedToken, TokenRequest } from '../token-source.ts';
import { type CredentialFile, parseImpersonatedFile, parseLoopbackUrl } from './credential-file.ts';
import { CLOUD_PLATFORM, type KindContext } from './kind.ts';
import { runWithTraffic, Traffic, watchTraffic } from './traffic.ts';

/** Keeps the library from looking for the project, which can take seconds and isn't needed for a token. */
const NO_PROJECT = 'not-looked-up';

/** One mint: what is asked for, and what the kind of credential has to say about it. */
export interface MintOrder {
  readonly request: TokenRequest;
  /** What the credential says of itself. */
  readonly credential: string;
  readonly context: KindContext;
  /** Has the exchange make the library's client. */
  readonly connect: (exchange: GoogleExchange) => AuthClient | Promise<AuthClient>;
  /** What to do about a failure. */
  readonly advise: (failure: MintFailure) => string | undefined;
}

/**
 * Has google-auth-library mint a token, with a client that lives as long: nothing is kept, so a new login is noticed.
 * @throws ProxyError as `Credential.mint`
 */
export async function mintByGoogle(order: MintOrder): Promise<MintedToken> {
  const { request, credential, context, advise } = order;
  try {
    const exchange = new GoogleExchange(order);
    return await exchange.mint();
  } catch (thrown) {
    if (isProxyError(thrown)) throw thrown;
    throw toMintError(thrown, { request, credential, advise, localNowMs: context.clock.now().wallMs });
  }
}

/** The project that belongs to application default credentials, as the library finds it; may take seconds. */
export async function findDefaultProject(): Promise<string | undefined> {
  return new GoogleAuth().getProjectId().catch(() => undefined);
}

/** The project of the machine this runs on. */
export async function findMetadataProject(context: KindContext): Promise<string | undefined> {
  const ask = async (): Promise<unknown> => gcpMetadata.project('project-id');
  const project = await runWithTraffic(new Traffic(context), ask).catch(() => undefined);
  return typeof project === 'string' ? project : undefined;
}

/** One mint: makes the library's client, and asks it. */
export class GoogleExchange {
  readonly #order: MintOrder;
  readonly #traffic: Traffic;
  readonly #transporter: gaxios.Gaxios;

  constructor(order: MintOrder) {
    this.#order = order;
    this.#traffic = new Traffic(order.context);
    this.#transporter = watchTraffic(new gaxios.Gaxios({ timeout: order.context.timeoutMs }));
  }

  /** Asks Google. */
  mint(): Promise<MintedToken> {
    const { connect, request } = this.#order;
    return runWithTraffic(this.#traffic, async () => {
      const client = await connect(this);
      return request.kind === 'id' ? this.#mintIdToken(client, request) : this.#mintAccessToken(client);
    });
  }

  /** Application default credentials: those the library finds, or those given instead. */
  async fromApplicationDefault(): Promise<AuthClient> {
    const given = this.#order.context.endpoints.applicationDefault;
    if (given !== undefined) return this.fromFile(given, 'the application default credentials');
    // The library remembers for ever that there was no metadata server; on GKE it comes some seconds after the start.
    gcpMetadata.resetIsAvailableCache();
    const auth = new GoogleAuth({ projectId: NO_PROJECT });
    await auth.getClient();
    if (auth.jsonContent === null) return this.fromMetadata('default');
    return this.fromFile({ ...auth.jsonContent }, 'the application default credentials');
  }

  /** The identity in a credential file. `origin` names the file in messages. */
  fromFile(file: CredentialFile, origin: string, request: TokenRequest = this.#order.request): AuthClient {
    const tokenUrl = parseLoopbackUrl(file, 'token_uri', origin);
    if (tokenUrl !== undefined) this.#traffic.redirectTokens(tokenUrl);
    if (file.type === 'impersonated_service_account') return this.#fromImpersonatedFile(file, origin);
    if (!isTyped(file)) throw new ProxyError('credentials_invalid', `"type" in ${origin} is missing.`);
    // A service account asks for an ID token without scopes; federated identities need some in any case.
    const scopes = request.kind === 'id' && file.type === 'service_account' ? undefined : toScopes(request);
    const auth = new GoogleAuth({ projectId: NO_PROJECT, ...(scopes && { scopes }) });
    return withoutWarnings(() => auth.fromJSON(file, { transporter: this.#transporter }));
  }

  #fromImpersonatedFile(file: CredentialFile, origin: string): AuthClient {
    const { source, account, delegates, lifetimeSeconds, endpoint, quotaProject } = parseImpersonatedFile(
      file,
      origin,
    );
    return this.#impersonate({
      sourceClient: this.fromFile(source, origin, { kind: 'access', scopes: [CLOUD_PLATFORM] }),
      targetPrincipal: account,
      delegates: delegates.map(toAccountName),
      ...(lifetimeSeconds !== undefined && { lifetime: lifetimeSeconds }),
      ...(endpoint !== undefined && { endpoint }),
      ...(quotaProject !== undefined && { quotaProjectId: quotaProject }),
    });
  }

  /** A service account that the holder of an access token may act as. */
  fromImpersonation(account: string, delegates: readonly string[], accessToken: string): AuthClient {
    const sourceClient = new OAuth2Client({ transporter: this.#transporter });
    sourceClient.setCredentials({ access_token: accessToken });
    return this.#impersonate({
      sourceClient,
      targetPrincipal: account,
      delegates: delegates.map(toAccountName),
    });
  }

  #impersonate(options: ImpersonatedOptions): AuthClient {
    const targetScopes = toScopes(this.#order.request);
    return withoutWarnings(
      () => new Impersonated({ ...options, targetScopes, transporter: this.#transporter }),
    );
  }

  /** An account of the machine this runs on: an e-mail address, or `default`. */
  fromMetadata(account: string): AuthClient {
    return new Compute({ serviceAccountEmail: account, scopes: toScopes(this.#order.request) });
  }

  async #mintIdToken(
    client: AuthClient,
    request: TokenRequest & { readonly kind: 'id' },
  ): Promise<MintedToken> {
    const { credential } = this.#order;
    if (!isIdTokenProvider(client)) throw toNoIdTokenError(credential);
    // The library puts it into the metadata server's URL as it is.
    const audience = client instanceof Compute ? encodeURIComponent(request.audience) : request.audience;
    const value: unknown = await client.fetchIdToken(audience);
    if (value === undefined && client instanceof UserRefreshClient) throw toNoOpenIdError(credential);
    return toMintedIdToken(value, request, credential, this.#traffic.issuerNowMs);
  }

  async #mintAccessToken(client: AuthClient): Promise<MintedToken> {
    const { request, credential, context } = this.#order;
    const { token } = await client.getAccessToken();
    const endsMs = client.credentials.expiry_date;
    if (typeof token !== 'string') throw toBadAnswer(request, credential, 'it holds no access token');
    if (typeof endsMs !== 'number')
      throw toBadAnswer(request, credential, 'it does not say when the token ends');
    return {
      value: token,
      ...this.#toExpiry(endsMs),
      issuedAtMs: undefined,
      identity: toIdentity(client),
      quotaProject: context.env.GOOGLE_CLOUD_QUOTA_PROJECT || client.quotaProjectId || undefined,
    };
  }

  /** The end on the issuer's clock. A span was added to this machine's clock by the library: that is undone here. */
  #toExpiry(endsMs: number): Pick<MintedToken, 'expiresAtMs' | 'issuerNowMs'> {
    const { issuerNowMs, gavePointInTime } = this.#traffic;
    if (gavePointInTime) return { expiresAtMs: endsMs, issuerNowMs };
    const localNowMs = Date.now();
    const nowMs = issuerNowMs ?? localNowMs;
    return { expiresAtMs: nowMs + endsMs - localNowMs, issuerNowMs: nowMs };
  }
}

// For the metadata server.
watchTraffic(gaxios.instance);

/** Runs without the library's warning about files from others: what could be dangerous in one was checked. */
function withoutWarnings<Result>(make: () => Result): Result {
  const { warn } = console;
  console.warn = () => {};
  try {
    return make();
  } finally {
    console.warn = warn;
  }
}

/** An ID token is asked for by a client that could get an access token for IAM. */
function toScopes(request: TokenRequest): string[] {
  return request.kind === 'access' && request.scopes.length > 0 ? [...request.scopes] : [CLOUD_PLATFORM];
}

/** A service account as the IAM Service Account Credentials API wants it in a list. */
function toAccountName(account: string): string {
  return account.includes('/') ? account : `projects/-/serviceAccounts/${account}`;
}

function toIdentity(client: AuthClient): string | undefined {
  if (client instanceof JWT) return client.email;
  if (client instanceof Impersonated) return client.getTargetPrincipal();
  if (client instanceof Compute)
    return client.serviceAccountEmail === 'default' ? undefined : client.serviceAccountEmail;
  const idToken = client.credentials.id_token;
  if (typeof idToken !== 'string') return undefined;
  try {
    const { email } = decodeClaims(idToken);
    return typeof email === 'string' ? email : undefined;
  } catch {
    return undefined;
  }
}

function isTyped(file: CredentialFile): file is CredentialFile & JWTInput {
  return typeof file.type === 'string';
}

function isIdTokenProvider(client: AuthClient): client is AuthClient & IdTokenProvider {
  return 'fetchIdToken' in client && typeof client.fetchIdToken === 'function';
}

function toNoIdTokenError(credential: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `Google gives no ID tokens to ${credential}, only access tokens.`,
    {
      hint: 'Act as a service account: { kind: impersonate, account: NAME@PROJECT.iam.gserviceaccount.com, source: THIS_ONE }',
    },
  );
}

function toNoOpenIdError(credential: string): ProxyError {
  return new ProxyError(
    'credentials_invalid',
    `Google gave no ID token to ${credential}: the login lacks the scope "openid".`,
    {
      hint: 'gcloud auth application-default login',
    },
  );
}
