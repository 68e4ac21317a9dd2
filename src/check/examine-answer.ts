import { parseGoogleAddress } from '../auth/google-address.ts';
import { adviseAudience } from '../auth/iap-refusal.ts';
import {
  type Diagnosis,
  diagnoseRefusal,
  identifyRefuser,
  isIapGenerated,
  type RefusalContext,
  type Refuser,
} from '../auth/refusal.ts';
import type { ProxyError } from '../errors.ts';
import { findValue } from '../relay/field-lines.ts';
import { examineApiError } from './api-error.ts';
import type { Answer } from './http-probe.ts';
import { type Examined, failed, ok, skipped, warning } from './result.ts';
import { formatSpan } from './span.ts';

/** What an answer to a request without a token means. */
export interface AnonymousJudgement {
  readonly examined: Examined;
  /** Google looks at tokens before it lets a request in. */
  readonly isPrivate: boolean;
}

/** What an answer to a request with a token means. */
export interface Judgement {
  readonly examined: Examined;
  /** Undefined for anything but a refusal. */
  readonly diagnosis: Diagnosis | undefined;
  /** The request came to the application. */
  readonly isLetIn: boolean;
}

/** What it means that no answer came. */
export function examineSilence({ message, hint }: ProxyError): Examined {
  return failed(message, hint ?? 'The log of the service may say why.');
}

/** What the upstream shows to those who send no token. Only told: whether that is as it should be, its owner knows. */
export function examineAnonymous(answer: Answer, context: RefusalContext): AnonymousJudgement {
  const { status, lines } = answer;
  const { host } = new URL(context.upstreamOrigin);
  if (isApi(context) && examineApiError(answer, host) !== undefined)
    return { examined: ok(`${host} wants a token (${status}).`), isPrivate: true };
  const refuser = isIapGenerated(lines) ? 'iap' : identifyRefuser(answer);
  if (refuser === 'application') {
    const what = status < 300 ? 'it is public' : 'Google asks for no token here';
    return { examined: ok(`${host} answers ${status} to anybody: ${what}.`), isPrivate: false };
  }
  if (status === 404) return { examined: ok(`Google shows nothing at ${host} (404).`), isPrivate: false };
  const who = refuser === 'iap' ? 'Identity-Aware Proxy' : 'Google';
  return { examined: ok(`${who} turns it away (${status}): ${host} is private.`), isPrivate: true };
}

/** Whether the upstream takes a request as the proxy sends it. `iapClientId`: what IAP said that it wants. */
export function examineAnswer(
  answer: Answer,
  context: RefusalContext,
  iapClientId: string | undefined,
): Judgement {
  const { status } = answer;
  const { host } = new URL(context.upstreamOrigin);
  const apiError = isApi(context) ? examineApiError(answer, host) : undefined;
  if (apiError !== undefined) return { examined: apiError, diagnosis: undefined, isLetIn: false };
  if (status >= 500) {
    const examined = warning(`${host} answers ${status}: the service fails.`, 'Its log says why.');
    return { examined, diagnosis: undefined, isLetIn: false };
  }
  const isSignIn = status < 400 && isIapGenerated(answer.lines);
  if (!isSignIn && status !== 401 && status !== 403 && status !== 404) {
    const examined = ok(`${host} answers ${status}, in ${formatSpan(answer.durationMs)}.`);
    return { examined, diagnosis: undefined, isLetIn: true };
  }
  // To those who could take a person there, IAP shows its sign-in page in place of a 401.
  const refusal = isSignIn ? { ...answer, status: 401 } : answer;
  const diagnosis = adviseIapClient(diagnoseRefusal(refusal, context), context, iapClientId);
  const examined = examineRefusal(answer, diagnosis, context);
  return { examined, diagnosis, isLetIn: diagnosis.by === 'application' };
}

/** The OAuth client whose sign-in page IAP sends people to: the audience it wants. */
export function findIapClient({ lines }: Answer): string | undefined {
  if (!isIapGenerated(lines)) return undefined;
  const client = URL.parse(findValue(lines, 'location') ?? '')?.searchParams.get('client_id') ?? '';
  return /^[\w-]+\.apps\.googleusercontent\.com$/.test(client) ? client : undefined;
}

/** IAP's own refusal rarely says which audience it wants; its sign-in page does. */
function adviseIapClient(
  diagnosis: Diagnosis,
  { request }: RefusalContext,
  iapClientId: string | undefined,
): Diagnosis {
  const { by, cause } = diagnosis;
  const isUnknown =
    by === 'iap' && (cause === 'iap-audience' || cause === 'no-token') && request?.kind !== 'jwt';
  return isUnknown && iapClientId !== undefined
    ? { ...diagnosis, hint: adviseAudience(iapClientId) }
    : diagnosis;
}

function isApi({ upstreamOrigin }: RefusalContext): boolean {
  return parseGoogleAddress(upstreamOrigin).kind === 'api';
}

function examineRefusal(answer: Answer, diagnosis: Diagnosis, context: RefusalContext): Examined {
  const { by, message, hint } = diagnosis;
  const { status } = answer;
  if (by === 'application') return status === 404 ? ok(message) : warning(message);
  if (isApi(context) && status === 404) {
    const advice = 'Give the upstream a path that the API has, and the token is tried there.';
    return skipped(`${message.slice(0, -1)} (404), so nobody looked at the token.`, advice);
  }
  return findMisplacement(answer, by) ?? failed(`${message.slice(0, -1)} (${status}).`, hint);
}

/** A token in a header where nobody looks for it. */
function findMisplacement({ status, header }: Answer, by: Refuser): Examined | undefined {
  if (status === 404) return undefined;
  if (by === 'google-front-end' && header === 'Proxy-Authorization') {
    const message = `Cloud Run looks for a token in Authorization and X-Serverless-Authorization, and the route sends it in Proxy-Authorization (${status}).`;
    return failed(message, 'header: auto');
  }
  if (by === 'iap' && header === 'X-Serverless-Authorization') {
    const message = `Identity-Aware Proxy looks for a token in Proxy-Authorization and Authorization, and the route sends it in X-Serverless-Authorization (${status}).`;
    return failed(message, 'header: auto');
  }
  return undefined;
}
