import type { ErrorCode, ProxyError } from '../errors.ts';
import type { Caller } from '../gate/caller.ts';
import { toReadableLines } from '../gate/cors-response.ts';
import type { Answer } from './answers.ts';

/** What is no fault of a request but of who made it: nothing of the answer is for its page. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'cross_site_request',
  'host_not_allowed',
  'origin_not_allowed',
]);

/**
 * An answer of the proxy's own, as browsers show it to whom it is for: a page that was let in may read it, and whoever looks after one that
 * wasn't finds in the console what to do.
 * @param caller undefined for whom the gate hasn't let in
 * @param hasOrigin whether the request says whose page it is of
 */
export function toPageAnswer(
  answer: Answer,
  error: ProxyError,
  { caller, hasOrigin }: { readonly caller: Caller | undefined; readonly hasOrigin: boolean },
): Answer {
  if (REFUSALS.has(error.code)) return toConsoleAnswer(answer, error, hasOrigin);
  if (caller?.kind !== 'page') return answer;
  return { ...answer, lines: toReadableLines(answer.lines, caller.origin) };
}

/**
 * Browsers print two things that a server says of a request they don't let the page know about: the reason beside the status, and an
 * `Access-Control-Allow-Origin` that isn't the page's. A sentence is neither an origin nor `*`, so it lets nobody in.
 */
function toConsoleAnswer(answer: Answer, error: ProxyError, hasOrigin: boolean): Answer {
  const text = `gcp-bearer-proxy: ${error.message} ${error.hint ?? ''}`;
  const sentence = text
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/ {2,}/g, ' ')
    .trim();
  return {
    ...answer,
    reason: answer.status === error.status ? sentence : undefined,
    lines: hasOrigin ? [...answer.lines, 'Access-Control-Allow-Origin', sentence] : answer.lines,
  };
}
