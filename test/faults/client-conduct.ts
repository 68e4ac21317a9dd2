import type { Circumstances } from './exchange.ts';
import type { Http2Plan } from './http2-client.ts';
import type { Script } from './script.ts';

/** What a client does. */
export interface ClientConduct {
  readonly name: string;
  readonly method: string;
  readonly script: (circumstances: Circumstances) => Script;
  readonly manner: Manner;
  /** Over HTTP/2, instead of the script. */
  readonly http2?: Http2Plan;
  /** It asks for WebSocket: what it sends behind its head is for the open socket. */
  readonly isHandshake?: true;
  /** Moves too much to be played by the thousand. */
  readonly isHeavy?: true;
  /** How many requests it makes, if not as many as it waits for responses. */
  readonly requests?: number;
}

/** How a client's conduct bears on what it sees. */
export type Manner =
  /** Nothing wrong with its request: it sees what the upstream does, so many times, and perhaps something more. */
  | { readonly kind: 'whole'; readonly responses: number; readonly afterwards?: readonly string[] }
  /** Nor with its request, but it ends its direction: whoever does that may also have left. `hasHead`: not before it has a head. */
  | { readonly kind: 'half-closed'; readonly hasHead?: true }
  /** Its head can't be taken: it sees one of these, and the upstream nothing. */
  | { readonly kind: 'bad head'; readonly verdicts: readonly string[] }
  /** Its content can't be: it sees one of these, unless the upstream answers before. */
  | { readonly kind: 'bad content'; readonly verdicts: readonly string[] }
  /** It leaves. */
  | { readonly kind: 'gone' };

export function conduct(
  name: string,
  method: string,
  script: ClientConduct['script'],
  manner: Manner = { kind: 'whole', responses: 1 },
): ClientConduct {
  return { name, method, script, manner };
}
