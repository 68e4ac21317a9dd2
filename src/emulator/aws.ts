import { createHash, createHmac, randomBytes } from 'node:crypto';

const ACCOUNT_ID = '210987654321';
const INSTANCE_ID = 'i-0123456789abcdef0';

/** The machine on AWS: where it is and which role it has. */
export const AWS_MACHINE = { region: 'us-east-2', zone: 'us-east-2b', role: 'emulated-role' } as const;

/** The role a session is of; what a provider maps to `attribute.aws_role`. */
export const AWS_ROLE_ARN = `arn:aws:sts::${ACCOUNT_ID}:assumed-role/${AWS_MACHINE.role}`;

/** What `GetCallerIdentity` answers. */
export const AWS_CALLER = { account: ACCOUNT_ID, arn: `${AWS_ROLE_ARN}/${INSTANCE_ID}` } as const;

/** Temporary security credentials of a role session. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** New ones at each start. */
export function createAwsCredentials(): AwsCredentials {
  return {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: `emulated-${randomBytes(96).toString('base64')}`,
  };
}

/** A request for AWS's Security Token Service, signed but never sent. */
export interface SignedAwsRequest {
  readonly url: URL;
  readonly method: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Why AWS would refuse a request, in its own words. */
export interface AwsFault {
  readonly type: string;
  readonly message: string;
}

/** How old a signature may be, or how far ahead. */
const SIGNATURE_LIFETIME_MS = 900_000;

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([^/, ]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})$/;

const TIME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * What AWS has against a request, its signature (version 4) included; undefined for one that it would answer.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function findAwsFault(
  request: SignedAwsRequest,
  credentials: AwsCredentials,
  nowMs: number,
): AwsFault | undefined {
  const { headers } = request;
  const parsed = AUTHORIZATION.exec(headers.get('authorization') ?? '');
  const [, accessKeyId, date, region, service, names = '', signature] = parsed ?? [];
  const time = headers.get('x-amz-date') ?? '';
  const at = TIME.exec(time);
  if (parsed === null || at === null) {
    return {
      type: 'IncompleteSignature',
      message: 'Authorization header requires existence of either a X-Amz-Date or a Date header.',
    };
  }
  const signedAtMs = Date.parse(time.replace(TIME, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(nowMs - signedAtMs) <= SIGNATURE_LIFETIME_MS)) {
    const when = signedAtMs > nowMs ? 'Signature not yet current' : 'Signature expired';
    return {
      type: 'SignatureDoesNotMatch',
      message: `${when}: ${time} is not within 15 minutes of the current time.`,
    };
  }
  const isTokenRight = headers.get('x-amz-security-token') === credentials.sessionToken;
  if (accessKeyId !== credentials.accessKeyId || !isTokenRight) {
    return {
      type: 'InvalidClientTokenId',
      message: 'The security token included in the request is invalid.',
    };
  }
  const scope = { date: date ?? '', region: region ?? '', service: service ?? '' };
  const signed = names.split(';');
  const isComplete = ['host', 'x-amz-date', 'x-amz-security-token'].every((name) => signed.includes(name));
  const isScopeRight =
    time.startsWith(scope.date) && scope.region === toRegion(request.url.host) && scope.service === 'sts';
  const own = toSignature(request, signed, scope, credentials.secretAccessKey);
  if (isComplete && isScopeRight && own === signature) return undefined;
  return {
    type: 'SignatureDoesNotMatch',
    message: 'The request signature we calculated does not match the signature you provided.',
  };
}

/** The region an endpoint of the Security Token Service is in: the global one counts as us-east-1. */
function toRegion(host: string): string {
  return /^sts\.([a-z0-9-]+)\.amazonaws\.com$/.exec(host)?.[1] ?? 'us-east-1';
}

interface SignatureScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

function toSignature(
  { url, method, headers }: SignedAwsRequest,
  signedNames: readonly string[],
  { date, region, service }: SignatureScope,
  secret: string,
): string {
  const query = [...url.searchParams].map((pair) => pair.map(encodeFully).join('=')).sort();
  const canonical = [
    method,
    url.pathname,
    query.join('&'),
    ...signedNames.map((name) => `${name}:${(headers.get(name) ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedNames.join(';'),
    hash(''),
  ].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers.get('x-amz-date') ?? '', scope, hash(canonical)].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}

/** All but unreserved characters (RFC 3986, section 2.3) percent-encoded. */
function encodeFully(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
