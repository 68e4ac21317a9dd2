import type { Verdicts } from './client.ts';
import type { ClientConduct } from './client-conduct.ts';
import type { UpstreamConduct } from './upstream-conduct.ts';

/** What has to come of an exchange. */
export interface Expectation {
  /** Each response is one of these; `closed` is none at all. */
  readonly verdicts: readonly string[];
  readonly responses: number;
  /** What comes behind the responses, if the connection is still good for it; undefined: nothing is waited for. */
  readonly afterwards: readonly string[] | undefined;
  /** How often the request may reach the upstream. */
  readonly mostSeen: number;
}

/** Methods whose requests may arrive twice (RFC 9110, section 9.2.2). */
const REPEATABLE = new Set(['GET', 'HEAD', 'PUT']);

/**
 * The rules, in order:
 * - A head that can't be taken is refused, and the upstream sees nothing of it (R12, R31, R49).
 * - Who leaves sees nothing.
 * - Who ends its own direction can't be told from somebody who left, and nothing is kept running for nobody (R41): it sees the response or
 *   a closed connection.
 * - Content that breaks off is the client's own fault (400, 408), unless the upstream says something before it would have come (R44).
 * - All else is as the upstream makes it: what it sends whole comes whole; what it breaks off before its head is 502 or, if it was silent,
 *   504 (R35, R42, R51); what it breaks off later is broken for the client, too, never ended (R42).
 * - An upstream that can't be connected to is 502, or 504 where it was silent, and after a while 503 without being tried (R51, R58).
 * - A request reaches the upstream once; one that may arrive twice, once more (R54, R55). A handshake reaches it once.
 * - An open socket brings each side what the other sent, all of it up to a clean end, and is broken off where the other side broke off
 *   (R47). Nothing goes through it before the upstream has switched, and nothing at all if it didn't; a 101 that nobody asked for, or to
 *   something else, is no answer (R45, R46).
 */
export function toExpectation(client: ClientConduct, upstream: UpstreamConduct): Expectation {
  const { manner, method } = client;
  const requests = client.requests ?? (manner.kind === 'whole' ? manner.responses : 1);
  const isRepeatable = REPEATABLE.has(method) && client.isHandshake !== true;
  const mostSeen = requests * (isRepeatable ? 2 : 1);
  const own = toOwn(client, upstream);
  const one = { responses: 1, afterwards: undefined };
  switch (manner.kind) {
    case 'bad head':
      return { ...one, verdicts: manner.verdicts, mostSeen: 0 };
    case 'gone':
      return { ...one, verdicts: ['gone'], mostSeen };
    case 'half-closed':
      return client.isHandshake
        ? { responses: 1, afterwards: [], verdicts: toHalfSeen(own, manner.hasHead === true), mostSeen }
        : { ...one, verdicts: [...own, 'closed'], mostSeen };
    case 'bad content': {
      const verdicts = upstream.awaitsContent ? manner.verdicts : [...manner.verdicts, ...own];
      return { ...one, verdicts: [...verdicts, ...toShared(client, upstream)], mostSeen };
    }
    case 'whole':
      return {
        verdicts: [...own, ...toShared(client, upstream)],
        responses: manner.responses,
        afterwards: manner.afterwards,
        mostSeen,
      };
  }
}

/** What a client has to see that does nothing wrong. */
function toOwn({ method, isHandshake }: ClientConduct, upstream: UpstreamConduct): readonly string[] {
  if (isHandshake) return upstream.handshakeVerdicts ?? upstream.verdicts;
  return method === 'HEAD' ? (upstream.headVerdicts ?? upstream.verdicts) : upstream.verdicts;
}

/** What is seen of the answer to a handshake by who ends its own direction: a socket that opened is none the worse for it. */
function toHalfSeen(own: readonly string[], hasHead: boolean): readonly string[] {
  const broken = own
    .filter((verdict) => /^(?!101)\d/.test(verdict))
    .map((verdict) => `${verdict.replace(/ (?:complete|broken)$/, '')} broken`);
  return [...own, ...broken, ...(hasHead ? [] : ['closed'])];
}

/** What a client may see beside what the upstream does with its own request. */
function toShared({ http2, name }: ClientConduct, { door, isSolo }: UpstreamConduct): readonly string[] {
  if (door?.startsWith('HTTP/2') !== true) return [];
  // What befalls a connection befalls all that is on it, however far each had come.
  if ((http2?.streams ?? 1) > 1 && isSolo === true)
    return ['502 upstream_reset', '502 bad_upstream_response'];
  // These upstreams don't ask for content, and the limit is over before the body goes all the same.
  return /\b100\b/.test(name) ? ['504 upstream_timeout'] : [];
}

/** @returns what is wrong with what came of an exchange; undefined if nothing is */
export function findFault(expected: Expectation, seenVerdicts: Verdicts, seen: number): string | undefined {
  const { verdicts, responses, afterwards, mostSeen } = expected;
  const said = seenVerdicts.join(', ');
  if (seen > mostSeen) return `the upstream saw the request ${seen} times`;
  const wrong = (): string =>
    `the client saw ${said}; expected ${responses} of ${verdicts.join(' | ')}${afterwards?.length ? `, then ${afterwards.join(', ')}` : ''}`;
  const first = seenVerdicts.slice(0, responses);
  if (!first.every((verdict) => verdicts.includes(verdict))) return wrong();
  const isOver = first.some((verdict) => verdict === 'closed' || verdict.endsWith('broken'));
  if (first.length < responses && !isOver) return wrong();
  const rest = seenVerdicts.slice(responses);
  const isRestRight = rest.join() === (afterwards ?? []).join() || (rest.length === 0 && isOver);
  return isRestRight ? undefined : wrong();
}
