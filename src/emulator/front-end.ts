import { randomBytes } from 'node:crypto';
import { type Account, GCLOUD_CLIENT_IDS, mayInvoke } from './directory.ts';
import type { Issuer, VerifiedIdToken } from './issuer.ts';

/** One header line as `[name, value]`. */
export type HeaderLine = readonly [name: string, value: string];

/** What stands in a token's place of its signature once Cloud Run has checked it. */
const SIGNATURE_REMOVED = 'SIGNATURE_REMOVED_BY_GOOGLE';

/** Of two credentials, the first alone is checked. https://cloud.google.com/run/docs/authenticating/service-to-service */
const CREDENTIAL_HEADERS = ['x-serverless-authorization', 'authorization'] as const;

/** The head of a request at the front end. */
export interface FrontEndRequest {
  readonly headers: readonly HeaderLine[];
  readonly clientAddress: string;
}

/** What the front end knows of the service behind it. */
export interface FrontEndPolicy {
  /** Where the service listens: its main audience. */
  readonly origin: string;
  readonly customAudiences: readonly string[];
  readonly issuer: Issuer;
}

/** Let in, with the headers the application will see; or refused. */
export type Admission =
  | { readonly admitted: true; readonly headers: readonly HeaderLine[]; readonly verified: VerifiedIdToken }
  | { readonly admitted: false; readonly status: 401 | 403 | 404 };

/**
 * What Cloud Run does before a private service sees a request: no credential 403, a credential that isn't a valid ID token
 * for this service 401, a caller without `run.invoker` 403. The checked token goes on without its signature.
 * https://cloud.google.com/run/docs/troubleshooting
 */
export async function admit(request: FrontEndRequest, policy: FrontEndPolicy): Promise<Admission> {
  if (!isOwnHost(toValue(request.headers, 'host'), policy.origin)) return { admitted: false, status: 404 };
  const header = CREDENTIAL_HEADERS.find((name) => toValue(request.headers, name) !== undefined);
  const credential = header === undefined ? undefined : toValue(request.headers, header);
  const token = /^bearer +(.+)$/i.exec(credential ?? '')?.[1];
  if (token === undefined) return { admitted: false, status: 403 };
  const verified = await policy.issuer.verifyIdToken(token);
  if (verified === undefined || !isAccepted(verified, policy)) return { admitted: false, status: 401 };
  if (!mayInvoke(verified.account)) return { admitted: false, status: 403 };

  const seen = request.headers.map((line): HeaderLine => {
    return line[0].toLowerCase() === header ? [line[0], withoutSignature(line[1])] : line;
  });
  return { admitted: true, headers: addForwarding(seen, request.clientAddress), verified };
}

/** The front end finds a service by its host name; a request under another one reaches nobody. */
function isOwnHost(host: string | undefined, origin: string): boolean {
  const { port } = new URL(origin);
  return host === `127.0.0.1:${port}` || host === `localhost:${port}`;
}

function isAccepted({ account, audience }: VerifiedIdToken, policy: FrontEndPolicy): boolean {
  const own = [policy.origin, `${policy.origin}/`, ...policy.customAudiences];
  return own.includes(audience) || (isPerson(account) && GCLOUD_CLIENT_IDS.includes(audience));
}

const isPerson = (account: Account): boolean => account.kind === 'user';

/** The value of a header; of several lines, all of them, which no credential survives. */
function toValue(headers: readonly HeaderLine[], name: string): string | undefined {
  const values = headers.filter((line) => line[0].toLowerCase() === name).map((line) => line[1]);
  return values.length === 0 ? undefined : values.join(', ');
}

function withoutSignature(value: string): string {
  return `${value.slice(0, value.lastIndexOf('.') + 1)}${SIGNATURE_REMOVED}`;
}

/** Who called over what, and the trace it belongs to: the client's, or a new one. */
function addForwarding(headers: readonly HeaderLine[], clientAddress: string): HeaderLine[] {
  const before = toValue(headers, 'x-forwarded-for');
  const trace = parseTrace(toValue(headers, 'traceparent')) ?? createTrace();
  const added = new Map([
    ['X-Forwarded-For', before === undefined ? clientAddress : `${before},${clientAddress}`],
    ['X-Forwarded-Proto', 'http'],
    ['Forwarded', `for="${clientAddress}";proto=http`],
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
