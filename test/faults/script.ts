import { once } from 'node:events';
import type { Socket } from 'node:net';

/** One thing that a side of an exchange does. A script is a list of them. */
export type Step =
  /** Writes text, as Latin-1, in one piece. */
  | { readonly kind: 'send'; readonly text: string }
  /** Writes text byte by byte, or nearly, each in a turn of its own. */
  | { readonly kind: 'trickle'; readonly text: string }
  /** Writes so many bytes of filling, no faster than they are taken. */
  | { readonly kind: 'flood'; readonly bytes: number }
  /** Waits for text to come in. */
  | { readonly kind: 'receive'; readonly text: string }
  /** Waits for the whole content of the request; only an upstream can. */
  | { readonly kind: 'content' }
  /** Waits until the exchange has come to one of these points. */
  | { readonly kind: 'until'; readonly marks: readonly Mark[] }
  /** Says that the exchange has come to a point. */
  | { readonly kind: 'mark'; readonly mark: Mark }
  /** Stops reading, and goes on. */
  | { readonly kind: 'pause' | 'resume' }
  /** Ends its own direction (FIN). */
  | { readonly kind: 'end' }
  /** Resets the connection (RST). */
  | { readonly kind: 'reset' }
  /** Closes as a program that exits does: FIN, or RST where something came that nobody read. */
  | { readonly kind: 'destroy' }
  /** Does nothing more until the other side closes. */
  | { readonly kind: 'silence' };

/**
 * Points that an exchange comes to: the upstream has the request's head; it switches to WebSocket, from the next step on; nothing more
 * will come of it; the client has the head of a response; the client has seen all it will see.
 */
export type Mark =
  | 'upstream has the head'
  | 'upstream switches'
  | 'upstream rests'
  | 'client has the head'
  | 'client is done';

export type Script = readonly Step[];

export const send = (text: string): Step => ({ kind: 'send', text });
export const trickle = (text: string): Step => ({ kind: 'trickle', text });
export const flood = (bytes: number): Step => ({ kind: 'flood', bytes });
export const receive = (text: string): Step => ({ kind: 'receive', text });
export const until = (...marks: readonly Mark[]): Step => ({ kind: 'until', marks });
export const CONTENT: Step = { kind: 'content' };
export const PAUSE: Step = { kind: 'pause' };
export const RESUME: Step = { kind: 'resume' };
export const END: Step = { kind: 'end' };
export const RESET: Step = { kind: 'reset' };
export const DESTROY: Step = { kind: 'destroy' };
export const SILENCE: Step = { kind: 'silence' };

/** A script in one line, for whoever has to find out why it failed. */
export function describe(script: Script): string {
  return script.map(describeStep).join(' > ');
}

function describeStep(step: Step): string {
  switch (step.kind) {
    case 'send':
    case 'trickle':
    case 'receive':
      return `${step.kind} ${JSON.stringify(step.text.length > 400 ? `${step.text.slice(0, 400)}...` : step.text)}`;
    case 'flood':
      return `flood ${step.bytes}`;
    case 'until':
      return `until ${step.marks.join(' | ')}`;
    case 'mark':
      return `mark ${step.mark}`;
    default:
      return step.kind;
  }
}

/** The points that one exchange has come to. */
export class Marks {
  readonly #reached = new Set<Mark>();
  #waiting: (() => void)[] = [];

  reach(mark: Mark): void {
    this.#reached.add(mark);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const check of waiting) check();
  }

  has(mark: Mark): boolean {
    return this.#reached.has(mark);
  }

  async reached(marks: readonly Mark[]): Promise<void> {
    while (!marks.some((mark) => this.#reached.has(mark)))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** A socket, and what has come through it. */
export class Peer {
  readonly socket: Socket;
  /** What has come and was not taken, as Latin-1. */
  received = '';
  /** The other side has ended its direction, or the connection is closed. */
  readonly gone: Promise<void>;
  readonly closed: Promise<void>;
  isClosed = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, onData?: (text: string) => void) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      this.received += text;
      onData?.(text);
      this.wake();
    });
    this.gone = new Promise((resolve) => {
      socket.on('end', () => {
        this.wake();
        resolve();
      });
      socket.on('close', resolve);
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', () => {
        this.isClosed = true;
        this.wake();
        resolve();
      }),
    );
  }

  /** Looks again at what is waited for. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const check of waiting) check();
  }

  /** @returns true once `isThere` holds, false if the connection closed before */
  async when(isThere: () => boolean): Promise<boolean> {
    while (!isThere()) {
      if (this.isClosed || this.socket.readableEnded) return false;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return true;
  }
}

const FILLING = Buffer.alloc(65_536, 'f');

/**
 * Plays a script on a connection; what no longer can be done as the other side is gone is left out.
 * @param contentOf whether the whole content of the request has come
 */
export async function play(
  script: Script,
  peer: Peer,
  marks: Marks,
  hasContent?: () => boolean,
): Promise<void> {
  for (const step of script) {
    if (peer.isClosed) return;
    await playStep(step, peer, marks, hasContent);
  }
}

async function playStep(step: Step, peer: Peer, marks: Marks, hasContent?: () => boolean): Promise<void> {
  const { socket } = peer;
  switch (step.kind) {
    case 'send':
      if (socket.writable) socket.write(step.text, 'latin1');
      return;
    case 'trickle':
      await trickleInto(socket, step.text);
      return;
    case 'flood':
      await floodInto(peer, step.bytes);
      return;
    case 'receive':
      await peer.when(() => peer.received.includes(step.text));
      return;
    case 'content':
      await peer.when(hasContent ?? (() => true));
      return;
    case 'until':
      await Promise.race([marks.reached(step.marks), peer.gone]);
      return;
    case 'mark':
      marks.reach(step.mark);
      return;
    case 'pause':
      socket.pause();
      return;
    case 'resume':
      socket.resume();
      return;
    case 'end':
      if (socket.writable) socket.end();
      return;
    case 'reset':
      socket.resetAndDestroy();
      await peer.closed;
      return;
    case 'destroy':
      socket.destroy();
      await peer.closed;
      return;
    case 'silence':
      await peer.gone;
      socket.destroy();
  }
}

/** Bytes that trickle one by one; what is left comes in small pieces, as a head may only take so long. */
const SINGLE_BYTES = 80;
const PIECE_BYTES = 17;

async function trickleInto(socket: Socket, text: string): Promise<void> {
  for (let at = 0, bytes = 1; at < text.length && socket.writable; at += bytes) {
    bytes = at < SINGLE_BYTES ? 1 : PIECE_BYTES;
    socket.write(text.slice(at, at + bytes), 'latin1');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function floodInto({ socket, gone }: Peer, bytes: number): Promise<void> {
  for (let left = bytes; left > 0 && socket.writable; left -= FILLING.length) {
    if (!socket.write(FILLING.subarray(0, left)))
      await Promise.race([once(socket, 'drain').catch(() => {}), gone]);
  }
}
