import { type Actor, type MintSession, toScopes } from './actor.ts';
import { type gaxios, Impersonated, OAuth2Client } from './library.ts';

/** The access token of somebody who may act as an account. */
export interface SourceToken {
  readonly value: string;
  /** Through which it has to be used, where it is bound to a certificate. */
  readonly transporter?: gaxios.Gaxios;
}

export interface ImpersonationOptions {
  /** E-mail of the service account to act as. */
  readonly account: string;
  /** Accounts between the source and this one, first to last. */
  readonly delegates: readonly string[];
  /** Gets the source's access token, for IAM. */
  readonly fetchSource: () => Promise<SourceToken>;
  /** The project to bill for asking IAM. */
  readonly sourceQuotaProject?: string | undefined;
  /** Life of access tokens; one hour unless given. */
  readonly lifetimeSeconds?: number | undefined;
  readonly quotaProject?: string | undefined;
  /** Instead of Google's IAM Service Account Credentials API. */
  readonly endpoint?: string | undefined;
}

/** A JWT that an account signs lives as long as Google's own tokens. */
const JWT_LIFETIME_SECONDS = 3_600;

/**
 * A service account, as which somebody else may act.
 * https://cloud.google.com/iam/docs/service-account-impersonation
 */
export function createImpersonatedActor(session: MintSession, options: ImpersonationOptions): Actor {
  const { account, quotaProject } = options;
  const { order, traffic } = session;
  const { request, context } = order;
  const endpoint = options.endpoint ?? `https://iamcredentials.${context.universeDomain}`;
  const delegates = options.delegates.map(toAccountName);

  const connectSource = async (): Promise<OAuth2Client> => {
    const { value, transporter = session.transporter } = await options.fetchSource();
    const source = new OAuth2Client({ transporter, universeDomain: context.universeDomain });
    source.setCredentials({ access_token: value });
    if (options.sourceQuotaProject !== undefined) source.quotaProjectId = options.sourceQuotaProject;
    return source;
  };
  const connect = async (): Promise<Impersonated> => {
    const { lifetimeSeconds } = options;
    const sourceClient = await connectSource();
    return withoutWarnings(
      () =>
        new Impersonated({
          sourceClient,
          targetPrincipal: account,
          targetScopes: toScopes(request),
          delegates,
          endpoint,
          transporter: sourceClient.transporter,
          ...(lifetimeSeconds !== undefined && { lifetime: lifetimeSeconds }),
        }),
    );
  };

  return {
    email: account,
    quotaProject,
    async fetchIdToken(audience) {
      return (await connect()).fetchIdToken(audience);
    },
    async fetchAccessToken() {
      const client = await connect();
      const { token } = await client.getAccessToken();
      return { value: token, endsMs: client.credentials.expiry_date };
    },
    // https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
    async signJwt(audience) {
      const source = await connectSource();
      // By Google's clock where it has just told: IAP compares with that.
      const iat = Math.floor((traffic.issuerNowMs ?? context.clock.now().wallMs) / 1000);
      const claims = { iss: account, sub: account, aud: audience, iat, exp: iat + JWT_LIFETIME_SECONDS };
      const { data } = await source.request<Readonly<Record<string, unknown>> | string>({
        url: `${endpoint}/v1/${toAccountName(account)}:signJwt`,
        method: 'POST',
        data: { delegates, payload: JSON.stringify(claims) },
        responseType: 'json',
      });
      return typeof data === 'object' && data !== null ? data.signedJwt : undefined;
    },
  };
}

/** A service account as the IAM Service Account Credentials API wants it. */
function toAccountName(account: string): string {
  return account.includes('/') ? account : `projects/-/serviceAccounts/${account}`;
}

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
