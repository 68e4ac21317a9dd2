import { createRandom, type Random } from '../faults/random.ts';
import { TOKEN } from './dictionary.ts';
import * as http1 from './http1.ts';
import * as http2 from './http2.ts';
import { mutate, split } from './mutate.ts';

/** What a side does when it has sent everything. */
export type Ending = 'stays' | 'ends' | 'resets' | 'closes';

/** What one side sends, in these pieces. */
export interface Part {
  readonly pieces: readonly Buffer[];
  readonly ending: Ending;
}

/** One input: what a client sends on a connection of its own, and what the upstream answers whatever comes of it. */
export interface Input {
  /** For `--only`: makes the same input again. */
  readonly seed: number;
  readonly client: Part & {
    readonly speaks: 'HTTP/1.1' | 'HTTP/2' | 'WebSocket' | 'TLS garbage';
    /** Reads nothing of what comes back. */
    readonly isDeaf: boolean;
  };
  /** By the protocol it is spoken to in. */
  readonly upstream: {
    readonly greeting: Buffer;
    readonly http1: Part;
    readonly http2: Part;
    /** Answers before there is a question. */
    readonly isHasty: boolean;
  };
}

/** Where inputs go to; some of the listeners have TLS. */
export interface Target {
  readonly isTls: boolean;
  /** What a client says first to a listener with TLS. */
  readonly clientHello: Buffer;
}

const LEAKING_SHARE = 0.2;

/** The input of a seed. Pure but for the random bytes in a ClientHello. */
export function createInput(seed: number, target: Target): Input {
  const random = createRandom(seed);
  const speaks = chooseProtocol(random, target);
  const isLeaking = random.next() < LEAKING_SHARE;
  return {
    seed,
    client: {
      ...toPart(toClientBytes(speaks, random, target), random),
      speaks,
      isDeaf: random.next() < 0.03,
    },
    upstream: {
      greeting: http2.toGreeting(random),
      http1: toPart(
        speaks === 'WebSocket' && random.next() < 0.8
          ? http1.toSwitches(random, isLeaking)
          : http1.toResponses(random, isLeaking),
        random,
      ),
      http2: toPart(http2.toResponses(random, isLeaking), random),
      isHasty: random.next() < 0.03,
    },
  };
}

function chooseProtocol(random: Random, { isTls }: Target): Input['client']['speaks'] {
  if (isTls && random.next() < 0.15) return 'TLS garbage';
  return random.pick(['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/2', 'HTTP/2', 'WebSocket']);
}

function toClientBytes(speaks: Input['client']['speaks'], random: Random, { clientHello }: Target): Buffer {
  switch (speaks) {
    case 'HTTP/1.1':
      return http1.toRequests(random);
    case 'HTTP/2':
      return http2.toRequests(random);
    case 'WebSocket':
      return http1.toHandshake(random);
    case 'TLS garbage':
      return mutate(clientHello, random, [
        '\x16\x03\x01\x40\0',
        '\x15\x03\x03\0\x02\x02\x28',
        'GET / HTTP/1.1\r\n\r\n',
      ]);
  }
}

const ENDINGS: readonly Ending[] = ['stays', 'stays', 'stays', 'stays', 'stays', 'ends', 'resets', 'closes'];

function toPart(bytes: Buffer, random: Random): Part {
  return { pieces: split(bytes, random), ending: random.pick(ENDINGS) };
}

/** An input as it can be put into a test: each piece in hexadecimal digits, with TOKEN where the token was. */
export function formatInput({ client, upstream }: Input): string {
  return [
    `  client (${client.speaks}${client.isDeaf ? ', deaf' : ''}): ${formatPart(client)}`,
    `  upstream in HTTP/1.1${upstream.isHasty ? ' (hasty)' : ''}: ${formatPart(upstream.http1)}`,
    `  upstream in HTTP/2: ${formatPart({ ...upstream.http2, pieces: [upstream.greeting, ...upstream.http2.pieces] })}`,
  ].join('\n');
}

const TOKEN_HEX = Buffer.from(TOKEN).toString('hex');

function formatPart({ pieces, ending }: Part): string {
  const shown = pieces.map((piece) => piece.toString('hex').replaceAll(TOKEN_HEX, ' TOKEN ').trim());
  return `${shown.join(' | ')}, ${ending}`;
}
