import { randomBytes } from 'node:crypto';
import { type Account, GCLOUD_CLIENT_IDS } from './directory.ts';
import { type HeaderLine, readBearerToken, readHeader } from './header-lines.ts';
import type { Iap } from './iap.ts';
import { ISSUER, type Issuer, type VerifiedIdToken } from './issuer.ts';
import { readClaims } from './jwt.ts';
import { type RefusalPage, toRefusalPage } from './refusal-page.ts';
import { isMember, type ServicePolicy } from './service-policy.ts';

/** What stands in a token's place of its signature once Cloud Run has checked it. */
const SIGNATURE_REMOVED = 'SIGNATURE_REMOVED_BY_GOOGLE';

/** What stands in place of an access token once it was checked. */
const TOKEN_REMOVED = 'ACCESS_TOKEN_REMOVED_BY_EMULATOR';

/** Of two credentials, the first alone is checked. https://cloud.google.com/run/docs/authenticating/service-to-service */
const CREDENTIAL_HEADERS = ['x-serverless-authorization', 'authorization'] as const;

/** The head of a request at the front end. */
export interface FrontEndRequest {
  readonly method: string;
  /** Without a query. */
  readonly path: string;
  readonly headers: readonly HeaderLine[];
  readonly clientAddress: string;
}

/** What the front end knows of the service behind it. */
export interface GuardedService {
  /** Where the service listens: its main audience, unless there is a `url`. */
  readonly origin: string;
  /** The origin it is known by, where that is another. */
  readonly url?: string | undefined;
  readonly policy: ServicePolicy;
  readonly issuer: Issuer;
  /** Asked only where the policy says so. */
  readonly iap: Iap;
}

/** Let in, with the headers the application will see; or refused. Where everybody may come in, nobody may be verified. */
export type Admission =
  | {
      readonly admitted: true;
      readonly headers: readonly HeaderLine[];
      readonly verified: VerifiedIdToken | undefined;
    }
  | { readonly admitted: false; readonly page: RefusalPage };

/**
 * What Google does before a service sees a request: finds the service by its host name, 404 if there is none for this
 * caller, and then leaves the credential to Identity-Aware Proxy or checks it as Cloud Run does.
 */
export async function admit(request: FrontEndRequest, service: GuardedService): Promise<Admission> {
  const { policy, iap } = service;
  const url = findOwnUrl(readHeader(request.headers, 'host'), service);
  if (url === undefined || !policy.enabled || policy.ingress === 'internal') return refuse(404, request);
  const admission =
    policy.tokens === 'access'
      ? admitHolder(request, service)
      : policy.iap === undefined
        ? await admitInvoker(request, service)
        : await iap.admit(
            { ...request, url: `${url}${request.path}` },
            { ...policy.iap, members: policy.invokers },
          );
  if (!admission.admitted) return admission;
  return { ...admission, headers: addForwarding(admission.headers, request.clientAddress, new URL(url)) };
}

/**
 * Cloud Run's check: no credential 403, a credential that isn't a valid ID token for this service 401, a caller without
 * `run.invoker` 403. The checked token goes on without its signature.
 * https://cloud.google.com/run/docs/troubleshooting
 */
async function admitInvoker(request: FrontEndRequest, service: GuardedService): Promise<Admission> {
  const { headers } = request;
  const isPublic = service.policy.invokers === 'everybody';
  const header = CREDENTIAL_HEADERS.find((name) => readHeader(headers, name) !== undefined);
  const token = header && readBearerToken(headers, header);
  // What an application's own users send to a public service is its own business. That Google refuses a bad token of
  // its own there too is seen in reports, now and then; a client must not rely on the other times.
  if (isPublic && (token === undefined || readClaims(token)?.iss !== ISSUER)) {
    return { admitted: true, headers, verified: undefined };
  }
  if (token === undefined) return refuse(403, request);
  const verified = await service.issuer.verifyIdToken(token);
  if (verified === undefined || !isAccepted(verified, service)) return refuse(401, request);
  if (!isMember(verified.account, service.policy.invokers)) return refuse(403, request);

  const seen = headers.map((line): HeaderLine => {
    return line[0].toLowerCase() === header ? [line[0], withoutSignature(line[1])] : line;
  });
  return { admitted: true, headers: seen, verified };
}

/**
 * The check of Google's APIs: an access token that is valid now. The application isn't given it, as an API's own servers
 * would be: it has no use for it, and might say it again.
 */
function admitHolder(request: FrontEndRequest, { issuer }: GuardedService): Admission {
  const { headers } = request;
  const token = readBearerToken(headers, 'authorization');
  if (token === undefined || issuer.findAccessToken(token) === undefined) return refuse(401, request);
  const seen = headers.map((line): HeaderLine => {
    return line[0].toLowerCase() === 'authorization' ? [line[0], `Bearer ${TOKEN_REMOVED}`] : line;
  });
  return { admitted: true, headers: seen, verified: undefined };
}

function refuse(status: 401 | 403 | 404, { path }: FrontEndRequest): Admission {
  return { admitted: false, page: toRefusalPage(status, path) };
}

/** The URL a request came to, by its host name; a request under another one reaches nobody. */
function findOwnUrl(host: string | undefined, { origin, url, policy }: GuardedService): string | undefined {
  const { port } = new URL(origin);
  if (host === `127.0.0.1:${port}` || host === `localhost:${port}`) return url ?? origin;
  return policy.hosts.some((name) => name === host) ? `https://${host}` : undefined;
}

function isAccepted(
  { account, audience }: VerifiedIdToken,
  { origin, url, policy }: GuardedService,
): boolean {
  const hosts = policy.hosts.filter((host) => host.endsWith('.run.app')).map((host) => `https://${host}`);
  const own = [url ?? origin, ...hosts].flatMap((one) => [one, `${one}/`]);
  if (own.includes(audience) || policy.customAudiences.includes(audience)) return true;
  return isPerson(account) && GCLOUD_CLIENT_IDS.includes(audience);
}

const isPerson = (account: Account): boolean => account.kind === 'user';

function withoutSignature(value: string): string {
  return `${value.slice(0, value.lastIndexOf('.') + 1)}${SIGNATURE_REMOVED}`;
}

/** Who called over what, and the trace it belongs to: the client's, or a new one. */
function addForwarding(headers: readonly HeaderLine[], clientAddress: string, url: URL): HeaderLine[] {
  const before = readHeader(headers, 'x-forwarded-for');
  const scheme = url.protocol.slice(0, -1);
  const trace = parseTrace(readHeader(headers, 'traceparent')) ?? createTrace();
  const added = new Map([
    ['X-Forwarded-For', before === undefined ? clientAddress : `${before},${clientAddress}`],
    ['X-Forwarded-Proto', scheme],
    ['Forwarded', `for="${clientAddress}";proto=${scheme}`],
    ['X-Cloud-Trace-Context', `${trace.traceId}/${BigInt(`0x${trace.spanId}`)};o=1`],
    ['traceparent', `00-${trace.traceId}-${trace.spanId}-01`],
  ]);
  const replaced = new Set([...added.keys()].map((name) => name.toLowerCase()));
  return [...headers.filter((line) => !replaced.has(line[0].toLowerCase())), ...added];
}

interface Trace {
  readonly traceId: string;
  readonly spanId: string;
}

const createTrace = (): Trace => ({
  traceId: randomBytes(16).toString('hex'),
  spanId: randomBytes(8).toString('hex'),
});

/** `traceparent` (W3C Trace Context, section 3.2). */
function parseTrace(value: string | undefined): Trace | undefined {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(value ?? '') ?? [];
  return traceId === undefined || spanId === undefined ? undefined : { traceId, spanId };
}
