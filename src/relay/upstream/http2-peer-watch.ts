import type { ClientHttp2Session } from 'node:http2';

/** How long an upstream may be silent, while requests wait, before it is asked whether it lives. */
const SILENCE_MS = 30_000;
/** How long it may take to answer that. */
const ANSWER_MS = 10_000;
/**
 * Between two PINGs without anything of a response in between. gRPC servers close connections that ask more often than every five
 * minutes (gRPC proposal A8, `too_many_pings`).
 */
const BETWEEN_PINGS_MS = 330_000;

/** Finds out by PING (RFC 9113, section 6.7) whether a silent upstream is still there. */
export class PeerWatch {
  readonly #session: ClientHttp2Session;
  readonly #bytesRead: () => number;
  #lastBytes = 0;
  #silentMs = 0;
  #sincePingMs = BETWEEN_PINGS_MS;
  /** Milliseconds since a PING that nothing has come after. */
  #waitingMs: number | undefined;

  /** @param bytesRead how much has arrived on the connection so far */
  constructor(session: ClientHttp2Session, bytesRead: () => number) {
    this.#session = session;
    this.#bytesRead = bytesRead;
  }

  /** Something of a response has arrived. */
  onHeard(): void {
    this.#sincePingMs = BETWEEN_PINGS_MS;
  }

  /** Begins anew: until now there was nothing to wait for. */
  restart(): void {
    this.#lastBytes = this.#bytesRead();
    this.#silentMs = 0;
    this.#waitingMs = undefined;
  }

  /** Counts time while requests wait. */
  tick(passedMs: number): 'alive' | 'dead' {
    this.#sincePingMs += passedMs;
    if (this.#bytesRead() !== this.#lastBytes) {
      this.restart();
      return 'alive';
    }
    this.#silentMs += passedMs;
    if (this.#waitingMs !== undefined) {
      this.#waitingMs += passedMs;
      return this.#waitingMs >= ANSWER_MS ? 'dead' : 'alive';
    }
    if (this.#silentMs >= SILENCE_MS && this.#sincePingMs >= BETWEEN_PINGS_MS && !this.#session.destroyed) {
      // The answer shows in the bytes that arrive. A session that is being closed sends none.
      if (this.#session.ping(() => {})) this.#waitingMs = 0;
      this.#sincePingMs = 0;
    }
    return 'alive';
  }
}
