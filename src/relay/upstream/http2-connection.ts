import { type ClientHttp2Session, connect as connectHttp2, constants, type Settings } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CancelTimer } from '../../clock.ts';
import { type Connecting, connect } from './connect.ts';
import { ConnectionError } from './connection-error.ts';
import type { SessionSlot } from './dial.ts';
import type { Departure, Http2Carrier, Road, StreamEnd } from './http2-carrier.ts';
import { codeOf, toStreamCause } from './http2-failure.ts';
import { PeerWatch } from './http2-peer-watch.ts';
import type { AttemptFailure, LaneOptions, Reach } from './lane.ts';

/** `connectTimeoutMs` is until the upstream's first SETTINGS frame. */
export interface Http2ConnectionOptions extends LaneOptions {
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** The connection is replaced when it has carried so many. */
  readonly maxRequests: number;
  readonly session: SessionSlot;
  readonly onClosed: (connection: Http2Connection) => void;
  /** Streams at a time until the upstream says how many it takes. */
  readonly assumedStreams: number;
  /** The upstream takes so many streams at a time. */
  readonly onLimit: (maxStreams: number) => void;
  /** Called for what waited and has no place here, after all: it has to go on another connection. */
  readonly onOverflow: (carrier: Http2Carrier) => void;
}

/** What a response may have on its way before its receiver takes any of it; the whole connection may have that of 100 of them. */
const STREAM_WINDOW_BYTES = 524_288;
const CONNECTION_WINDOW_BYTES = 100 * STREAM_WINDOW_BYTES;
/** Streams at a time where nothing is known of the upstream (RFC 9113, section 6.5.2, wants no less). */
export const ASSUMED_STREAMS = 100;
const SESSION_OPTIONS = {
  settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxHeaderListSize: 98_304 },
  // Field lines of one section. Node's own limit is 128.
  maxHeaderListPairs: 1_024,
  peerMaxConcurrentStreams: ASSUMED_STREAMS,
  // In megabytes. Beyond, Node resets streams whose headers arrive.
  maxSessionMemory: 64,
  // A client's header that came twice goes on twice; Node 22 doesn't know this.
  strictSingleValueFields: false,
};
/** Until a socket is closed whose upstream doesn't take our last words. */
const FAREWELL_MS = 1_000;

/** One HTTP/2 connection to an upstream, carrying many requests at a time. */
export class Http2Connection implements Road {
  readonly #options: Http2ConnectionOptions;
  readonly #connecting: Connecting;
  readonly #startMs: number;
  readonly #waiting: Http2Carrier[] = [];
  readonly #carriers = new Set<Http2Carrier>();
  /** Those of them whose streams have ended on both sides: they only wait for Node to close them. */
  readonly #ended = new Set<Http2Carrier>();
  #session: ClientHttp2Session | undefined;
  #watch: PeerWatch | undefined;
  #maxStreams: number;
  #hasSettings = false;
  #cancelSettingsTimer: CancelTimer | undefined;
  #requests = 0;
  /** Something of a response has come on it. */
  #hasHeard = false;
  /** Takes no more requests. */
  #isDraining = false;
  #isLeaving = false;
  #isClosed = false;
  /** Why it closes, as far as that is known. */
  #cause: unknown;
  /** The last stream that the upstream will look at, once it has said so. */
  #lastStreamId = Number.POSITIVE_INFINITY;
  /** Milliseconds without a request, as counted by `tick`. */
  #idleMs = 0;
  /** Milliseconds in which nobody waited for what is still open on it, from one `tick` to another; undefined while somebody does. */
  #abandonedMs: number | undefined;

  constructor(options: Http2ConnectionOptions) {
    this.#options = options;
    this.#maxStreams = options.assumedStreams;
    this.#startMs = options.clock.now().monotonicMs;
    this.#connecting = connect(
      { ...options, alpn: ['h2'] },
      {
        onReady: (socket) => this.#onReady(socket),
        onFailed: (cause) => {
          const isUnknown = codeOf(cause) === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
          this.#onClosed(
            isUnknown ? new ConnectionError('NO_HTTP2', 'it refuses HTTP/2 in its TLS handshake') : cause,
          );
        },
      },
    );
  }

  get origin(): URL {
    return this.#options.origin;
  }

  get session(): ClientHttp2Session {
    return this.#session as ClientHttp2Session;
  }

  /** Whether it takes another request now. */
  get hasRoom(): boolean {
    if (this.#isDraining || this.#isClosed) return false;
    if (this.#session !== undefined && (this.#session.closed || this.#session.destroyed)) return false;
    return this.#carriers.size - this.#ended.size + this.#waiting.length < this.#maxStreams;
  }

  /** Whether it stands, and carries nothing. */
  get isIdle(): boolean {
    return this.#session !== undefined && this.#carriers.size + this.#waiting.length === 0;
  }

  /**
   * Carries an attempt, as soon as the connection stands. Only the first goes out before the upstream has said how many it takes at a
   * time: more than that would be refused.
   */
  carry(carrier: Http2Carrier): void {
    this.#requests += 1;
    if (this.#requests >= this.#options.maxRequests) this.#isDraining = true;
    const isAhead = !this.#hasSettings && this.#carriers.size > 0;
    if (this.#session === undefined || isAhead) this.#waiting.push(carrier);
    else this.#start(carrier);
  }

  /** Takes no more requests, and closes after the last. */
  retire(): void {
    this.#isDraining = true;
    this.#leaveIfDrained();
  }

  /** Breaks the connection off, with the reason for whoever waits for a response. */
  close(cause: Error): void {
    if (this.#isClosed) return;
    this.#isDraining = true;
    this.#cause ??= cause;
    this.#connecting.abort(cause);
    this.#session?.destroy(cause, constants.NGHTTP2_NO_ERROR);
    this.#connecting.socket.destroy();
  }

  /** Counts time: of each request, of the upstream's silence, of idleness. */
  tick(passedMs: number): void {
    if (this.#session === undefined) return;
    if (this.#carriers.size === 0) {
      this.#abandonedMs = undefined;
      this.#idleMs += passedMs;
      if (this.#session.destroyed || this.#idleMs >= this.#options.keepAliveMs) this.#leave();
      return;
    }
    for (const carrier of [...this.#carriers]) carrier.tick(passedMs);
    if (this.#isAbandoned(passedMs)) {
      const cause = new ConnectionError('CONNECTION_CLOSED', 'its streams do not close');
      this.close(cause);
      for (const carrier of [...this.#carriers]) carrier.fail(cause, 'unknown');
      return;
    }
    if (this.#watch?.tick(passedMs) === 'dead')
      this.close(new ConnectionError('CONNECTION_CLOSED', 'the upstream does not answer a PING'));
  }

  /**
   * Whether all its requests were given up a while ago, or its session was, and streams are open nonetheless. After a GOAWAY and a frame
   * that breaks the rules Node neither closes them nor sees that the upstream has left; such a connection would stay for ever.
   */
  #isAbandoned(passedMs: number): boolean {
    const isWanted = !this.session.destroyed && [...this.#carriers].some(({ isOver }) => !isOver);
    if (isWanted) this.#abandonedMs = undefined;
    else this.#abandonedMs = this.#abandonedMs === undefined ? 0 : this.#abandonedMs + passedMs;
    return this.#abandonedMs !== undefined && this.#abandonedMs >= FAREWELL_MS;
  }

  depart(): Departure {
    return { isReused: this.#hasHeard, bytesRead: this.#bytesRead };
  }

  onHeard(): void {
    this.#hasHeard = true;
    this.#watch?.onHeard();
  }

  onStreamEnded(carrier: Http2Carrier): void {
    this.#ended.add(carrier);
  }

  onStreamClosed(carrier: Http2Carrier): void {
    this.#carriers.delete(carrier);
    this.#ended.delete(carrier);
    this.#idleMs = 0;
    this.#leaveIfDrained();
  }

  toFailure({ streamId, error, resetCode, hasAnswered, departure }: StreamEnd): AttemptFailure {
    const cause = this.#toCause(error, resetCode);
    if (hasAnswered) return { cause, reach: 'unknown' };
    if (streamId === undefined) return { cause, reach: 'unsent' };
    if (streamId > this.#lastStreamId) return { cause, reach: 'beyond-goaway' };
    if (resetCode === constants.NGHTTP2_REFUSED_STREAM) return { cause, reach: 'unprocessed' };
    const isBroken = this.session.destroyed || this.#connecting.socket.destroyed;
    const isStale = isBroken && departure.isReused && departure.bytesRead === this.#bytesRead;
    return { cause, reach: isStale ? 'stale' : 'unknown' };
  }

  #toCause(error: unknown, resetCode: number): unknown {
    const isBabble = !this.#hasSettings && codeOf(error) === 'ERR_HTTP2_ERROR';
    return isBabble
      ? new ConnectionError('NO_HTTP2', 'it answers with something else than HTTP/2')
      : toStreamCause(error, resetCode);
  }

  get #bytesRead(): number {
    return this.#connecting.socket.bytesRead;
  }

  #onReady(socket: Socket): void {
    const { origin } = this.#options;
    // Also when the session failed.
    socket.on('error', (error) => {
      this.#cause ??= this.#toCause(error, constants.NGHTTP2_NO_ERROR);
    });
    socket.on('close', () => this.#onClosed());
    if (origin.protocol === 'https:' && (socket as TLSSocket).alpnProtocol !== 'h2') {
      this.#onClosed(new ConnectionError('NO_HTTP2', 'it does not choose HTTP/2 in its TLS handshake'));
      socket.destroy();
      return;
    }
    const session = connectHttp2(origin, { ...SESSION_OPTIONS, createConnection: () => socket });
    this.#session = session;
    this.#watch = new PeerWatch(session, () => this.#bytesRead);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on('remoteSettings', (settings) => this.#onSettings(settings));
    session.on('goaway', (_code, lastStreamId) => this.#onGoaway(lastStreamId));
    // Streams hear of it, and the socket closes.
    session.on('error', () => {});
    this.#expectSettings();
    this.#options.onConnected();
    this.#startWaiting(1);
  }

  /** Starts those that wait, up to so many streams. */
  #startWaiting(maxStreams: number): void {
    while (this.#carriers.size - this.#ended.size < maxStreams) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#start(next);
    }
  }

  #start(carrier: Http2Carrier): void {
    if (this.#carriers.size === 0) this.#watch?.restart();
    if (!carrier.isOver && carrier.start(this)) this.#carriers.add(carrier);
    else this.#leaveIfDrained();
  }

  /** An upstream begins with SETTINGS (RFC 9113, section 3.4). What accepts connections and says nothing, or half of it, is none. */
  #expectSettings(): void {
    const { connectTimeoutMs, clock } = this.#options;
    if (connectTimeoutMs === 0) return;
    const leftMs = connectTimeoutMs - (clock.now().monotonicMs - this.#startMs);
    this.#cancelSettingsTimer = clock.schedule(leftMs, () => {
      const isSilent = this.#bytesRead === 0;
      const message = `no HTTP/2 settings within ${connectTimeoutMs} ms`;
      this.close(
        isSilent ? new ConnectionError('CONNECT_TIMEOUT', message) : new ConnectionError('NO_HTTP2', message),
      );
    });
  }

  #onSettings({ maxConcurrentStreams }: Settings): void {
    this.#hasSettings = true;
    this.#cancelSettingsTimer?.();
    if (maxConcurrentStreams !== undefined) {
      this.#maxStreams = maxConcurrentStreams;
      this.#options.onLimit(maxConcurrentStreams);
    }
    this.#startWaiting(this.#maxStreams);
    for (const carrier of this.#waiting.splice(0)) if (!carrier.isOver) this.#options.onOverflow(carrier);
  }

  #onGoaway(lastStreamId: number): void {
    this.#isDraining = true;
    this.#lastStreamId = lastStreamId;
    this.#failWaiting('beyond-goaway');
    this.#leaveIfDrained();
  }

  #leaveIfDrained(): void {
    if (this.#isDraining && this.#carriers.size === 0 && this.#waiting.length === 0) this.#leave();
  }

  /** Closes a connection that nobody is on. */
  #leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#isDraining = true;
    const { socket } = this.#connecting;
    const close = (): void => {
      socket.destroy();
    };
    this.session.destroy();
    // Node doesn't close what the upstream has said goodbye to, but waits for it to do so.
    if (socket.writableFinished) close();
    else socket.once('finish', close);
    const cancelTimer = this.#options.clock.schedule(FAREWELL_MS, close);
    socket.once('close', cancelTimer);
  }

  #onClosed(cause?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelSettingsTimer?.();
    this.#options.onClosed(this);
    this.#cause ??= cause;
    this.#failWaiting('unsent');
  }

  #failWaiting(reach: Reach): void {
    const cause = this.#cause ?? new ConnectionError('CONNECTION_CLOSED', 'closed before the request');
    for (const carrier of this.#waiting.splice(0)) carrier.fail(cause, reach);
  }
}
