import { diagnoseFrontEnd, isFrontEndPage } from './front-end-refusal.ts';
import { diagnoseIap } from './iap-refusal.ts';
import type { TokenRequest } from './token-source.ts';

/** Who refused a request. */
export type Refuser = 'google-front-end' | 'iap' | 'application';

export interface RefusalAnswer {
  readonly status: number;
  /** Field lines of the answer as they came: name, value, name, value. */
  readonly lines: readonly string[];
  /** The first bytes of its body as text, as far as they are at hand; at most 4 KiB. */
  readonly bodyStart: string;
}

/** What is known of the request that was refused. */
export interface RefusalContext {
  /** `https://host[:port]`. */
  readonly upstreamOrigin: string;
  /** What its token was asked for; undefined when none was sent. */
  readonly request: TokenRequest | undefined;
  /** Who the token speaks for. */
  readonly identity: string | undefined;
  /** The token's `aud`, where it isn't the audience asked for. */
  readonly otherAudience: string | undefined;
  readonly tokenAgeMs: number | undefined;
  /** The local clock minus the answer's `Date`. */
  readonly clockOffsetMs: number | undefined;
}

/** Stable names of what refusals are for. */
export type RefusalCause =
  /** The caller lacks the role. */
  | 'missing-role'
  | 'wrong-audience'
  /** The service behind a custom domain doesn't know the audience. */
  | 'custom-audience'
  /** A person's token, which is for the OAuth client of a login. */
  | 'user-audience'
  /** An access token where an ID token is wanted, and the like. */
  | 'wrong-kind'
  | 'no-token'
  | 'expired'
  | 'clock'
  /** For the right audience, and refused all the same. */
  | 'token-refused'
  /** No service that may be reached from here. */
  | 'ingress'
  /** No service at all, or a path that Google keeps for itself. */
  | 'not-a-service'
  | 'iap-audience'
  | 'iap-role'
  | 'application';

/** Why a request was refused, and what to do about it. */
export interface Finding {
  readonly cause: RefusalCause;
  /** One sentence with a full stop. */
  readonly message: string;
  /** The command or line that fixes it. */
  readonly hint: string | undefined;
}

export interface Diagnosis extends Finding {
  readonly by: Refuser;
}

/** IAP puts it on every answer it makes itself. */
const IAP_HEADER = 'x-goog-iap-generated-response';

/**
 * Whether an answer's head alone leaves it possible that it is Google's own: then its body is worth a look. Cheap; called
 * on the request path.
 */
export function mayBeGoogles(status: number, lines: readonly string[]): boolean {
  if (status !== 401 && status !== 403 && status !== 404) return false;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i]?.toLowerCase();
    if (name === IAP_HEADER) return true;
    if (name === 'content-type' && /^text\/html\b/i.test(lines[i + 1] ?? '')) return true;
  }
  return false;
}

/** Whose answer it is. Google is named only where the answer bears its mark; everything else is the application's. */
export function identifyRefuser({ status, lines, bodyStart }: RefusalAnswer): Refuser {
  if (!mayBeGoogles(status, lines)) return 'application';
  if (isIapGenerated(lines)) return 'iap';
  const isFrontEnds = bodyStart === '' ? hasFrontEndChallenge(lines) : isFrontEndPage(bodyStart);
  return isFrontEnds ? 'google-front-end' : 'application';
}

/** What comes with the front end's 401: all there is to tell one without a body by, the answer to a HEAD request. */
const FRONT_END_CHALLENGE =
  'Bearer error="invalid_token" error_description="The access token could not be verified"';

function hasFrontEndChallenge(lines: readonly string[]): boolean {
  return lines.some(
    (name, index) =>
      index % 2 === 0 &&
      name.toLowerCase() === 'www-authenticate' &&
      lines[index + 1] === FRONT_END_CHALLENGE,
  );
}

/** Whether Identity-Aware Proxy made an answer, whatever its status. */
export function isIapGenerated(lines: readonly string[]): boolean {
  return lines.some(
    (name, index) => index % 2 === 0 && name.toLowerCase() === IAP_HEADER && lines[index + 1] === 'true',
  );
}

/** Who refused a request, why, and what to do about it. Pure. */
export function diagnoseRefusal(answer: RefusalAnswer, context: RefusalContext): Diagnosis {
  const by = identifyRefuser(answer);
  switch (by) {
    case 'google-front-end':
      return { by, ...diagnoseFrontEnd(answer, context) };
    case 'iap':
      return { by, ...diagnoseIap(answer, context) };
    case 'application': {
      const { host } = new URL(context.upstreamOrigin);
      const message = `The application at ${host} answered ${answer.status} itself: Google let the request in.`;
      return { by, cause: 'application', message, hint: undefined };
    }
  }
}
