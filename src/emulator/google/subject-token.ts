import { X509Certificate } from 'node:crypto';
import { AWS_CALLER, AWS_ROLE_ARN, findAwsFault, type SignedAwsRequest } from '../aws.ts';
import type { Principal } from '../directory.ts';
import { GITHUB_ISSUER } from '../github.ts';
import { readClaims, readKeyId, verifySignature } from '../jwt.ts';
import { toPrincipal } from '../pool.ts';
import type { Google, GoogleRequest } from './http.ts';
import { OAuthError } from './oauth-error.ts';

/** A subject token, and what it must fit. */
export interface SubjectToken {
  readonly value: string;
  /** `//iam.googleapis.com/projects/…`, as the request names the provider. */
  readonly audience: string;
}

/** Whom a subject token stands for, and until when. */
export interface Subject {
  readonly principal: Principal;
  readonly expiresAtMs?: number;
}

/** By how much clocks may differ. */
const CLOCK_SKEW_SECONDS = 60;

/** The owner whose workflows the provider takes: its attribute condition. */
const TRUSTED_OWNER = 'example';

// The texts are those seen in answers of the real service, except for what stands in the functions on AWS and
// certificates: there, only the codes and `AWS request has invalid format.` are.
const refuse = (description: string): OAuthError => new OAuthError('invalid_grant', description);

/** Whom a token stands for that GitHub made for a workflow, if all about it is right. */
export async function identifyWorkflow(
  { value, audience }: SubjectToken,
  _request: GoogleRequest,
  { clock, keys }: Google,
): Promise<Subject> {
  const unverified = readClaims(value);
  if (unverified === undefined) throw refuse('Unable to parse the ID Token.');
  const { iss } = unverified;
  if (iss !== GITHUB_ISSUER) {
    throw refuse(
      `The issuer in ID Token ${iss ?? null} does not match the expected one in config: ${GITHUB_ISSUER}.`,
    );
  }
  const key = await keys.github();
  if (readKeyId(value) !== key.id) throw refuse("Error connecting to the given credential's issuer.");
  const claims = await verifySignature(value, key.publicKey);
  if (claims === undefined) throw refuse('Unable to verify the ID Token signature.');

  const { aud, iat, exp, nbf, sub, repository, repository_owner: owner } = claims;
  const audiences = Array.isArray(aud) ? aud : [aud ?? ''];
  if (!audiences.some((one) => one === audience || one === `https:${audience}`)) {
    throw refuse(`The audience in ID Token [${audiences.join(', ')}] does not match the expected audience.`);
  }
  const now = clock.now().wallMs / 1000;
  const isTimely =
    typeof iat === 'number' &&
    typeof exp === 'number' &&
    iat <= now + CLOCK_SKEW_SECONDS &&
    exp > now - CLOCK_SKEW_SECONDS &&
    (nbf === undefined || Number(nbf) <= now + CLOCK_SKEW_SECONDS);
  if (!isTimely) throw refuse(`ID Token issued at ${iat ?? null} is stale to sign-in.`);
  if (owner !== TRUSTED_OWNER || typeof sub !== 'string' || typeof repository !== 'string') {
    throw new OAuthError(
      'unauthorized_client',
      'The given credential is rejected by the attribute condition.',
    );
  }
  return { principal: toPrincipal(sub, { repository }), expiresAtMs: exp * 1000 };
}

/** Whom a signed request for `GetCallerIdentity` speaks for: what AWS would answer to it. */
export function identifyAwsCaller(
  { value, audience }: SubjectToken,
  _request: GoogleRequest,
  { clock, awsCredentials }: Google,
): Subject {
  const signed = parseAwsRequest(value);
  const { url, method, headers } = signed;
  const isForSts = url.protocol === 'https:' && /^sts(?:\.[a-z0-9-]+)?\.amazonaws\.com$/.test(url.host);
  const isCallerIdentity = method === 'POST' && url.searchParams.get('Action') === 'GetCallerIdentity';
  if (!isForSts || !isCallerIdentity || headers.get('host') !== url.host) throw invalidAwsRequest();
  const target = headers.get('x-goog-cloud-target-resource');
  if (target !== audience && target !== `https:${audience}`) {
    throw refuse('The x-goog-cloud-target-resource header does not match the audience.');
  }
  const fault = findAwsFault(signed, awsCredentials, clock.now().wallMs);
  if (fault !== undefined) {
    throw refuse(`Received invalid AWS response of type ${fault.type} with error message: ${fault.message}`);
  }
  return { principal: toPrincipal(AWS_CALLER.arn, { aws_role: AWS_ROLE_ARN }) };
}

const invalidAwsRequest = (): OAuthError => refuse('AWS request has invalid format.');

/**
 * URL-encoded JSON: `{"url":"…","method":"POST","headers":[{"key":"…","value":"…"}]}`. Spaces are `%20`, or `+` as Go's
 * library has them.
 */
function parseAwsRequest(text: string): SignedAwsRequest {
  try {
    const { url, method, headers } = JSON.parse(decodeURIComponent(text.replaceAll('+', ' ')));
    const lines: readonly { readonly key: string; readonly value: string }[] = headers;
    return {
      url: new URL(url),
      method: String(method),
      headers: new Map(lines.map(({ key, value }) => [key.toLowerCase(), String(value)])),
    };
  } catch {
    throw invalidAwsRequest();
  }
}

/** Whom a client certificate stands for: the one this very connection was made with, first in a JSON list of chains. */
export function identifyCertificate(
  { value }: SubjectToken,
  request: GoogleRequest,
  _google: Google,
): Subject {
  const presented = request.clientCertificate;
  const leaf = parseChain(value)[0];
  if (presented === undefined || leaf === undefined || !presented.equals(leaf)) {
    throw refuse('The certificate in the subject token does not match the one of the connection.');
  }
  const name = /^CN=(.+)$/m.exec(new X509Certificate(leaf).subject)?.[1];
  if (name === undefined) throw refuse('The certificate has no common name.');
  return { principal: toPrincipal(name) };
}

/** A JSON array of certificates, each in DER and base64. */
function parseChain(text: string): readonly Buffer[] {
  try {
    const chain: unknown = JSON.parse(text);
    return Array.isArray(chain) ? chain.map((one) => Buffer.from(String(one), 'base64')) : [];
  } catch {
    return [];
  }
}
