import type { Circumstances, ScriptOf } from './exchange.ts';
import { CONTENT, END, RESET, type Script, SILENCE, type Step, send } from './script.ts';

/** What an upstream does with a request, and what a client has to see that does nothing wrong. */
export interface UpstreamConduct {
  readonly name: string;
  readonly script: ScriptOf;
  /** Any of these, after RFC 9112 and the requirements; see `rules.ts`. */
  readonly verdicts: readonly string[];
  /** What a client sees that asked for the head only, where that is something else. */
  readonly headVerdicts?: readonly string[];
  /** What a client sees that asked for WebSocket, where that is something else. */
  readonly handshakeVerdicts?: readonly string[];
  /** Where it has to be asked: an upstream of its own, which plays no script. */
  readonly door?: string;
  /** Whether it waits for the request's content before it does anything. */
  readonly awaitsContent: boolean;
  /** Its connection must not be shared: what it does afterwards would befall another exchange. */
  readonly isSolo?: boolean;
  /** Moves too much to be played by the thousand. */
  readonly isHeavy?: true;
}

export const COMPLETE = ['200 complete'];
/** A head that announces little is held back for its content: then nothing is sent at all before the break. */
export const BROKEN = ['200 broken', 'closed'];
export const RESET_502 = ['502 upstream_reset'];
export const BAD_502 = ['502 bad_upstream_response'];
export const SILENT_504 = ['504 upstream_timeout'];

export const LENGTH = 1_000;
export const BODY = 'b'.repeat(LENGTH);

export const head = (
  { id }: Circumstances,
  fields: readonly string[],
  status = '200 OK',
  version = '1.1',
): string =>
  `HTTP/${version} ${status}\r\nX-Exchange: ${id}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
export const LENGTH_FIELD = `Content-Length: ${LENGTH}`;
export const CHUNKED = 'Transfer-Encoding: chunked';
export const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
export const chunks = (): string => chunk('c'.repeat(40)) + chunk('d'.repeat(300));
export const PROCESSING = 'HTTP/1.1 102 Processing\r\n\r\n';
export const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n';

export type Whole = (circumstances: Circumstances) => string;

/** Nothing that a client could wait for comes any more. */
export const REST: Step = { kind: 'mark', mark: 'upstream rests' };

export const GARBAGE = '\x00\xff\x01garbage\x7f\r\n\r\n';

export const ENDINGS: Readonly<
  Record<string, { readonly steps: Script; readonly early: readonly string[] }>
> = {
  silent: { steps: [REST, SILENCE], early: SILENT_504 },
  'ends (FIN)': { steps: [END], early: RESET_502 },
  'resets (RST)': { steps: [RESET], early: RESET_502 },
  'sends garbage': { steps: [send(GARBAGE), REST, SILENCE], early: BAD_502 },
};

export function answer(
  name: string,
  steps: (c: Circumstances) => readonly Step[],
  verdicts: readonly string[],
): UpstreamConduct {
  const script: ScriptOf = (c) => [CONTENT, ...steps(c)];
  return { name, script, verdicts, awaitsContent: true };
}

/** What is done as soon as a request's head is there. */
export function atOnce(name: string, script: ScriptOf, verdicts: readonly string[]): UpstreamConduct {
  return { name, script, verdicts, awaitsContent: false };
}
