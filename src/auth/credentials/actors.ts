import { ProxyError } from '../../errors.ts';
import { decodeClaims } from '../jwt.ts';
import { toBadAnswer } from '../minted.ts';
import { type Actor, fetchByClient, type MintSession, requireToken, toScopes } from './actor.ts';
import { LOGIN } from './advice.ts';
import { type CredentialFile, isObject, readText, toFieldError } from './credential-file.ts';
import { parseTokenUrl } from './federation.ts';
import { createImpersonatedActor } from './impersonation.ts';
import { CLOUD_PLATFORM } from './kind.ts';
import {
  Compute,
  ExternalAccountAuthorizedUserClient,
  gcpMetadata,
  JWT,
  JWTAccess,
  UserRefreshClient,
} from './library.ts';

/**
 * The holder of a service account's key.
 * https://developers.google.com/identity/protocols/oauth2/service-account
 */
export function createKeyActor(session: MintSession, file: CredentialFile, origin: string): Actor {
  const { request, context } = session.order;
  const email = readText(file, 'client_email');
  if (email === undefined) throw toFieldError('client_email', origin);
  const signer = new JWTAccess();
  signer.fromJSON(file);
  const quotaProject = readText(file, 'quota_project_id');
  const signJwt = async (audience: string): Promise<string> => toToken(signer.getRequestHeaders(audience));
  const connect = (scopes?: string[]): JWT => {
    const client = new JWT({ transporter: session.transporter, ...(scopes && { scopes }) });
    client.fromJSON(file);
    return client;
  };
  if (context.universeDomain === 'googleapis.com') {
    return {
      email,
      quotaProject,
      signJwt,
      fetchAccessToken: () => fetchByClient(connect(toScopes(request))),
      // Without scopes: Google takes one or the other.
      fetchIdToken: (audience) => connect().fetchIdToken(audience),
    };
  }
  // The token endpoint serves one universe only. In others what the key signs is an access token, and IAM makes ID
  // tokens (https://google.aip.dev/auth/4111).
  const sign = (scopes: string[]): string => toToken(signer.getRequestHeaders(undefined, undefined, scopes));
  const asked = createImpersonatedActor(session, {
    account: email,
    delegates: [],
    fetchSource: async () => ({ value: sign([CLOUD_PLATFORM]) }),
  });
  return {
    ...asked,
    quotaProject,
    signJwt,
    fetchAccessToken: async () => {
      const value = sign(toScopes(request));
      return { value, endsMs: Number(decodeClaims(value).exp) * 1000 };
    },
  };
}

/** Somebody who logged in with gcloud. */
export function createLoginActor(session: MintSession, file: CredentialFile): Actor {
  const client = new UserRefreshClient({ transporter: session.transporter });
  client.fromJSON(file);
  return {
    email: undefined,
    quotaProject: readText(file, 'quota_project_id'),
    fetchAccessToken: () => fetchByClient(client),
    async fetchIdToken(audience) {
      const value: unknown = await client.fetchIdToken(audience);
      if (value !== undefined) return value;
      const message = `Google gave no ID token to ${session.order.credential}: the login lacks the scope "openid".`;
      throw new ProxyError('credentials_invalid', message, { hint: LOGIN });
    },
  };
}

/**
 * Somebody of a workforce pool who logged in with gcloud.
 * https://cloud.google.com/iam/docs/workforce-obtaining-short-lived-credentials
 */
export function createWorkforceLoginActor(session: MintSession, file: CredentialFile, origin: string): Actor {
  const { universeDomain } = session.order.context;
  const required = (field: string): string => {
    const value = readText(file, field);
    if (value === undefined) throw toFieldError(field, origin);
    return value;
  };
  const client = new ExternalAccountAuthorizedUserClient({
    type: 'external_account_authorized_user',
    audience: required('audience'),
    token_url: parseTokenUrl(required('token_url'), origin, universeDomain),
    token_info_url: '',
    client_id: required('client_id'),
    client_secret: required('client_secret'),
    refresh_token: required('refresh_token'),
    universeDomain,
    transporter: session.transporter,
  });
  return {
    email: undefined,
    quotaProject: readText(file, 'quota_project_id'),
    async fetchAccessToken() {
      const { token, res } = await client.getAccessToken();
      const { expires_in: seconds } = isObject(res?.data) ? res.data : {};
      return { value: token, endsMs: typeof seconds === 'number' ? Date.now() + seconds * 1000 : undefined };
    },
  };
}

/**
 * An account of the machine this runs on: an e-mail address, or `default`.
 * https://cloud.google.com/compute/docs/metadata/overview
 */
export async function createMachineActor(session: MintSession, account: string): Promise<Actor> {
  const { order } = session;
  const client = new Compute({ serviceAccountEmail: account, scopes: toScopes(order.request) });
  const known = account === 'default' ? undefined : account;
  const actor: Actor = {
    email: known,
    quotaProject: undefined,
    fetchAccessToken: () => fetchByClient(client),
    // The library puts it into the metadata server's URL as it is.
    fetchIdToken: (audience) => client.fetchIdToken(encodeURIComponent(audience)),
  };
  if (order.request.kind !== 'jwt') return actor;
  // Nothing on the machine signs; IAM does, for the account itself.
  const email: unknown = known ?? (await gcpMetadata.instance(`service-accounts/${account}/email`));
  if (typeof email !== 'string' || !email.includes('@'))
    throw toBadAnswer(order.request, order.credential, 'it is no e-mail address');
  return createImpersonatedActor(session, {
    account: email.trim(),
    delegates: [],
    fetchSource: async () => requireToken(order, await actor.fetchAccessToken()),
  });
}

/** The token in a header that the library made. */
function toToken(headers: Headers): string {
  return (headers.get('authorization') ?? '').replace(/^Bearer /, '');
}
