import { createHash, generateKeyPairSync } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { type Account, findAccount, PROJECT } from './directory.ts';
import type { Admission, FrontEndRequest } from './front-end.ts';
import { type HeaderLine, readBearerToken, readHeader } from './header-lines.ts';
import { ISSUER, type VerifiedIdToken } from './issuer.ts';
import { type Claims, readClaims, signJwt, verifySignature } from './jwt.ts';
import { type Keys, verifyAccountSignature } from './keys.ts';
import type { RefusalPage } from './refusal-page.ts';
import { isMember, type ServicePolicy } from './service-policy.ts';

/** A request at Identity-Aware Proxy. */
export interface IapRequest extends FrontEndRequest {
  /** The URL asked for, without a query. */
  readonly url: string;
}

/** What IAP protects. */
export interface IapResource {
  /** The OAuth client that ID tokens have to be for. */
  readonly clientId: string;
  /** Who has `roles/iap.httpsResourceAccessor`. */
  readonly members: ServicePolicy['invokers'];
}

/** Identity-Aware Proxy in front of one service. */
export interface Iap {
  /**
   * Lets a request in whose token is an ID token for the OAuth client, or a JWT that a service account signed for this
   * URL, of somebody who has the role. `Proxy-Authorization` comes first, and `Authorization` is looked at only where
   * the first holds no valid token. https://cloud.google.com/iap/docs/authentication-howto
   */
  admit(request: IapRequest, resource: IapResource): Promise<Admission>;
}

/** The longest a JWT may be good for that a service account signs itself. */
const SELF_SIGNED_LIFETIME_SECONDS = 3600;

/** Life of what IAP tells the application. */
const ASSERTION_LIFETIME_SECONDS = 600;

/** The headers IAP speaks to applications in. A client's own never reach them. */
const OWN_HEADERS = /^x-goog-(?:iap-|authenticated-user-)/i;

export interface IapOptions {
  readonly service: string;
  readonly clock: Clock;
  readonly keys: Keys;
}

export function createIap({ service, clock, keys }: IapOptions): Iap {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const fingerprint = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  const keyId = fingerprint.digest('base64url').slice(0, 6);
  const audience = `/projects/${PROJECT.number}/locations/us-central1/services/${service}`;
  const nowSeconds = (): number => clock.now().wallMs / 1000;

  /** Who a token speaks for, or what IAP has against it. */
  async function verify(
    token: string,
    url: string,
    { clientId }: IapResource,
  ): Promise<VerifiedIdToken | string> {
    const unverified = readClaims(token);
    if (unverified === undefined) return 'Unable to parse JWT';
    const isGoogles = unverified.iss === ISSUER;
    const claims = isGoogles
      ? await verifySignature(token, keys.google.publicKey)
      : await verifySelfSigned(token, unverified, keys);
    if (claims === undefined) return 'JWT signature is invalid';
    const { aud, sub, exp } = claims;
    if (typeof exp !== 'number' || exp <= nowSeconds()) return 'Expired JWT';
    const fault = isGoogles
      ? findIdTokenFault(claims, clientId)
      : findSelfSignedFault(claims, url, nowSeconds());
    if (fault !== undefined) return fault;
    const account = findAccount(String(sub));
    if (account === undefined) return 'JWT signature is invalid';
    return {
      account,
      audience: String(aud),
      expiresAtMs: exp * 1000,
      claims: { ...claims, email: account.email },
    };
  }

  async function assert({ email, id }: Account): Promise<readonly HeaderLine[]> {
    const iat = Math.floor(nowSeconds());
    const [subject, user] = [`accounts.google.com:${id}`, `accounts.google.com:${email}`];
    const claims = {
      aud: audience,
      azp: audience,
      email,
      exp: iat + ASSERTION_LIFETIME_SECONDS,
      iat,
      identity_source: 'GOOGLE',
      iss: 'https://cloud.google.com/iap',
      sub: subject,
    };
    return [
      ['X-Goog-IAP-JWT-Assertion', await signJwt(claims, privateKey, keyId)],
      ['X-Goog-Authenticated-User-Email', user],
      ['X-Goog-Authenticated-User-Id', subject],
    ];
  }

  return {
    async admit(request, resource) {
      const tokens = ['proxy-authorization', 'authorization'].flatMap(
        (name) => readBearerToken(request.headers, name) ?? [],
      );
      let found: VerifiedIdToken | string = 'empty token';
      for (const token of tokens) {
        found = await verify(token, request.url, resource);
        if (typeof found === 'object') break;
      }
      if (typeof found === 'string') {
        const signsIn = tokens.length === 0 && canSignIn(request);
        return { admitted: false, page: signsIn ? toSignIn(resource.clientId) : toInvalid(found) };
      }
      if (!isMember(found.account, resource.members)) return { admitted: false, page: NO_ACCESS };
      const kept = request.headers.filter(
        ([name]) => name.toLowerCase() !== 'proxy-authorization' && !OWN_HEADERS.test(name),
      );
      return { admitted: true, headers: [...kept, ...(await assert(found.account))], verified: found };
    },
  };
}

/** The claims of a JWT if the service account signed it that it names as issuer. */
async function verifySelfSigned(token: string, { iss }: Claims, keys: Keys): Promise<Claims | undefined> {
  const account = typeof iss === 'string' ? findAccount(iss) : undefined;
  if (account?.kind !== 'service-account' || account.email !== iss) return undefined;
  return verifyAccountSignature(keys, account, token);
}

const WRONG_AUDIENCE = 'Invalid bearer token. Invalid JWT audience.';

function findIdTokenFault({ aud, email }: Claims, clientId: string): string | undefined {
  if (aud !== clientId) return WRONG_AUDIENCE;
  return typeof email === 'string' ? undefined : "JWT 'email' claim isn't a string";
}

/** Which URLs it is for: the very one asked for, or, ending in `/*`, all below. */
function findSelfSignedFault(
  { iss, sub, aud, iat, exp }: Claims,
  url: string,
  now: number,
): string | undefined {
  if (sub !== iss) return 'JWT signature is invalid';
  const lifetime = Number(exp) - Number(iat);
  if (typeof iat !== 'number' || iat > now || lifetime > SELF_SIGNED_LIFETIME_SECONDS) return 'Expired JWT';
  if (typeof aud !== 'string') return WRONG_AUDIENCE;
  const isFor = aud.endsWith('/*') ? url.startsWith(aud.slice(0, -1)) : url === aud || url === `${aud}/`;
  return isFor ? undefined : WRONG_AUDIENCE;
}

/** A client that can take a person to a sign-in page. https://cloud.google.com/iap/docs/faq */
function canSignIn({ method, headers }: FrontEndRequest): boolean {
  const takesPages = /\btext\/html\b|\*\/\*/.test(readHeader(headers, 'accept') ?? '');
  return (method === 'GET' || method === 'HEAD') && takesPages && !isScript(headers);
}

const isScript = (headers: readonly HeaderLine[]): boolean =>
  readHeader(headers, 'x-requested-with')?.toLowerCase() === 'xmlhttprequest';

// Seen in answers of the real IAP: status, type, the header, and the texts `empty token`, `Unable to parse JWT`,
// `JWT signature is invalid`, `JWT 'email' claim isn't a string` and that on the audience. Not seen, so likely worded
// otherwise: `Expired JWT`, and the page without access, of which only its status and headers are sure.
const GENERATED = { 'Content-Type': 'text/html', 'X-Goog-IAP-Generated-Response': 'true' };

function toInvalid(problem: string): RefusalPage {
  return { status: 401, headers: GENERATED, body: `Invalid IAP credentials: ${problem}` };
}

function toSignIn(clientId: string): RefusalPage {
  const location = new URL('https://accounts.google.com/o/oauth2/v2/auth');
  location.search = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    scope: 'openid email',
    redirect_uri: `https://iap.googleapis.com/v1/oauth/clientIds/${clientId}:handleRedirect`,
  }).toString();
  return { ...toInvalid('empty token'), status: 302, headers: { ...GENERATED, Location: location.href } };
}

const NO_ACCESS: RefusalPage = {
  status: 403,
  headers: { ...GENERATED, 'Content-Type': 'text/html; charset=UTF-8' },
  body: `<!DOCTYPE html>
<html lang="en">
<title>Error: Access denied</title>
<h1>You don't have access</h1>
<p>Your account does not have permission to access this resource.</p>
</html>`,
};
