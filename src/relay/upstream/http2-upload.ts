import type { ClientHttp2Stream } from 'node:http2';
import type { CancelTimer, Clock } from '../../clock.ts';
import type { BodyReading, RequestBody } from '../request-body.ts';
import { toRequestTrailers } from './http2-head.ts';

/** What becomes of an upload; each is told at most once, but `onProgress`. */
export interface Http2UploadListener {
  /** A piece went out. */
  onProgress(): void;
  /** Nobody answered the expectation in time: the body goes all the same. */
  onPatienceOver(): void;
  /** All of it was handed over. */
  onSent(): void;
  /** The rest will never come, or isn't as long as was said. */
  onBroken(cause?: unknown): void;
}

export interface Http2Upload {
  /** Whether the body waits for the upstream to ask for it. */
  readonly isHeld: boolean;
  /** Sends the body if it is still held back. */
  release(): void;
  /** Sends no more. */
  stop(): void;
}

/** How long a body waits for `100 Continue` (RFC 9110, section 10.1.1: not forever). */
const PATIENCE_MS = 1_000;

/**
 * Sends a request's body and trailers on a stream, no faster than the upstream takes them.
 * @param isHeld the upstream is asked first: nothing is sent until `release`, or a second passed
 */
export function startHttp2Upload(
  stream: ClientHttp2Stream,
  { body, isHeld, clock }: { body: RequestBody; isHeld: boolean; clock: Clock },
  listener: Http2UploadListener,
): Http2Upload {
  let reading: BodyReading | undefined;
  let cancelPatience: CancelTimer | undefined;
  let isOver = false;
  let sentBytes = 0;
  let trailers: readonly string[] = [];

  const onDrain = (): void => {
    listener.onProgress();
    reading?.resume();
  };
  const stop = (): void => {
    if (isOver) return;
    isOver = true;
    cancelPatience?.();
    stream.off('drain', onDrain);
    reading?.close();
  };
  const onBroken = (cause?: unknown): void => {
    stop();
    listener.onBroken(cause);
  };
  const sendTrailers = (): void => {
    if (isOver) return;
    try {
      stream.sendTrailers(toRequestTrailers(trailers));
    } catch (cause) {
      onBroken(cause);
      return;
    }
    stop();
    listener.onSent();
  };
  const release = (): void => {
    if (isOver || reading !== undefined) return;
    cancelPatience?.();
    reading = body.open({
      onPiece: (piece) => {
        // The upstream has ended the stream; it is about to be told.
        if (isOver || !stream.writable) return false;
        sentBytes += piece.length;
        if (body.length !== undefined && sentBytes > body.length) {
          onBroken();
          return false;
        }
        listener.onProgress();
        return stream.write(piece);
      },
      onEnd: (lines) => {
        if (body.length !== undefined && sentBytes !== body.length) return onBroken();
        trailers = lines;
        stream.end();
      },
      onBroken,
    });
  };

  stream.on('drain', onDrain);
  stream.once('wantTrailers', sendTrailers);
  if (isHeld) {
    cancelPatience = clock.schedule(PATIENCE_MS, () => {
      if (isOver || reading !== undefined) return;
      listener.onPatienceOver();
      release();
    });
  } else {
    release();
  }
  return {
    get isHeld() {
      return reading === undefined && !isOver;
    },
    release,
    stop,
  };
}
