import type { ErrorCode, ProxyError } from '../errors.ts';
import type { Caller } from '../gate/caller.ts';
import { toReadableLines } from '../gate/cors-response.ts';
import type { Answer } from './answers.ts';
import { type FieldLines, findValue } from './field-lines.ts';

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
 * @param request the request's field lines
 */
export function toPageAnswer(
  answer: Answer,
  error: ProxyError,
  caller: Caller | undefined,
  request: FieldLines,
): Answer {
  if (REFUSALS.has(error.code)) return toConsoleAnswer(answer, toSentence(error), error.status, request);
  if (caller?.kind !== 'page') return answer;
  return { ...answer, lines: toReadableLines(answer.lines, caller.origin) };
}

function toSentence({ message, hint = '' }: ProxyError): string {
  const text = `gcp-bearer-proxy: ${message} ${hint}`.replace(/[^\x20-\x7e]/g, '?');
  return text.replace(/ {2,}/g, ' ').trim();
}

/**
 * Browsers print two things that a server says of a request they don't let the page know about: the reason beside the status, and an
 * `Access-Control-Allow-Origin` that isn't the page's. A sentence is neither an origin nor `*`, so it lets nobody in.
 */
function toConsoleAnswer(answer: Answer, sentence: string, status: number, request: FieldLines): Answer {
  // gRPC has its own status, and no reason.
  const refusal =
    answer.status === status
      ? { ...(isForElement(request) ? toTextAnswer(answer, sentence) : answer), reason: sentence }
      : answer;
  if (findValue(request, 'origin') === undefined) return refusal;
  return { ...refusal, lines: [...refusal.lines, 'Access-Control-Allow-Origin', sentence] };
}

/** What an image, a script or a style sheet asks for without CORS, and no page can read. */
function isForElement(request: FieldLines): boolean {
  return (
    findValue(request, 'sec-fetch-mode') === 'no-cors' && findValue(request, 'sec-fetch-dest') !== undefined
  );
}

/** Of JSON for an element, and of what must not be sniffed, browsers print nothing (https://github.com/annevk/orb). */
function toTextAnswer(answer: Answer, sentence: string): Answer {
  const { lines } = answer;
  const body = `${sentence}\n`;
  const kept = lines.filter((_, i) => !REPLACED.has(lines[i - (i % 2)]?.toLowerCase() ?? ''));
  return {
    ...answer,
    lines: ['Content-Type', 'text/plain', 'Content-Length', String(body.length), ...kept],
    body,
  };
}

const REPLACED = new Set(['content-length', 'content-type', 'x-content-type-options']);
