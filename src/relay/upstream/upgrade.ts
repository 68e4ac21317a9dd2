import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TimeoutConfig } from '../../config/config.ts';
import { type FieldLines, joinValues } from '../field-lines.ts';
import { namesUpgrade } from '../request-head.ts';
import { type Connecting, connect } from './connect.ts';
import { ConnectionError } from './connection-error.ts';
import type { SessionSlot } from './dial.ts';
import { toUpstreamError } from './failure.ts';
import { prepareFarewell } from './farewell.ts';
import { loadHttpProxy, type SendHandshake, toWrittenHeaders } from './http-proxy.ts';
import type { OpenSockets } from './open-sockets.ts';
import { BadResponseError, MAX_INTERIM } from './response-parser.ts';
import { tieEnds } from './splice.ts';
import type { Receiver, Sending, TransportOptions } from './transport.ts';

/** Carries WebSocket handshakes to one upstream origin, and what is sent over the sockets once they are open. */
export interface UpgradeCarrier {
  /**
   * Sends a handshake over a connection of its own; what comes of it is told to the receiver. A refusal is told as any
   * response is. Once the upstream has switched, the client's socket is the carrier's, up to `onEnd` or `onError`.
   */
  carry(handshake: Handshake, receiver: UpgradeReceiver): Sending;
}

export interface Handshake {
  readonly target: string;
  /** All field lines. */
  readonly lines: FieldLines;
  readonly timeout: TimeoutConfig;
  /** Bytes the client sends ahead stay in there until the upstream has switched. */
  readonly client: Socket;
}

export interface UpgradeReceiver extends Receiver {
  /**
   * The upstream switches to WebSocket. The client's socket has to be free now.
   * @returns the field lines of the 101 for the client
   */
  onSwitch(lines: FieldLines): FieldLines;
}

type UpgradeListener = (response: IncomingMessage, socket: Socket, head: Buffer) => void;

/** TCP's own probes find peers that vanished without a word; an open socket has no other limit. */
const PROBE_DELAY_MS = 60_000;

export interface UpgradeCarrierOptions extends TransportOptions {
  /** Told of every socket that was opened; left out where nobody takes leave of them. */
  readonly openSockets?: OpenSockets;
}

/** A carrier that holds nothing open by itself: a reload may drop it, and the sockets it opened live on. */
export function createUpgradeCarrier(options: UpgradeCarrierOptions): UpgradeCarrier {
  const session: SessionSlot = { current: undefined };
  return {
    carry(handshake, receiver) {
      const carriage = new Carriage(handshake, receiver, options, session);
      carriage.start();
      return carriage;
    },
  };
}

/** One handshake on its way, and then two sockets. */
class Carriage implements Sending {
  #handshake: Handshake;
  readonly #receiver: UpgradeReceiver;
  readonly #options: UpgradeCarrierOptions;
  readonly #session: SessionSlot;
  #connecting: Connecting | undefined;
  #upstream: Socket | undefined;
  #response: IncomingMessage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  readonly #onError = (cause: unknown): void => {
    // What goes wrong behind a whole answer is not its business: this connection carries no other.
    if (this.#response?.complete !== true) this.#fail(cause);
  };

  constructor(
    handshake: Handshake,
    receiver: UpgradeReceiver,
    options: UpgradeCarrierOptions,
    session: SessionSlot,
  ) {
    this.#handshake = handshake;
    this.#receiver = receiver;
    this.#options = options;
    this.#session = session;
  }

  start(): void {
    const { origin, forwardProxy, connectTimeoutMs } = this.#options;
    loadHttpProxy().then((send) => {
      if (this.#isOver) return;
      this.#connecting = connect(
        { origin: new URL(origin), forwardProxy, connectTimeoutMs, session: this.#session },
        { onReady: (upstream) => this.#send(send, upstream), onFailed: this.#onError },
      );
    }, this.#onError);
  }

  abort(): void {
    if (!this.#isOver) this.#stop();
  }

  resume(): void {
    this.#response?.resume();
  }

  #stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#connecting?.abort(new Error('the client went away'));
    this.#upstream?.destroy();
  }

  #fail(cause: unknown): void {
    if (this.#isOver) return;
    this.#stop();
    const { origin, forwardProxy } = this.#options;
    this.#receiver.onError(toUpstreamError(toReadableCause(cause), origin, forwardProxy));
  }

  #send(send: SendHandshake, upstream: Socket): void {
    this.#upstream = upstream;
    // Whoever has said all it has to say may still be told something.
    upstream.allowHalfOpen = true;
    upstream.on('error', this.#onError);
    const { headersMs } = this.#handshake.timeout;
    if (headersMs > 0) {
      this.#timer = setTimeout(
        () => this.#fail(new ConnectionError('HEADERS_TIMEOUT', `silent for ${headersMs} ms`)),
        headersMs,
      );
    }
    try {
      const request = send(this.#handshake, upstream);
      const [splice] = request.listeners('upgrade') as UpgradeListener[];
      // Its own answers to these are a clean end to what broke, and a refusal without backpressure.
      for (const event of ['upgrade', 'response', 'error']) request.removeAllListeners(event);
      request.on('upgrade', (response, _socket, head) => this.#onSwitch(response, head, splice));
      request.on('response', (response) => this.#onResponse(response, upstream));
      request.on('error', this.#onError);
      let interims = 0;
      request.on('information', () => {
        interims += 1;
        if (interims > MAX_INTERIM) this.#fail(new BadResponseError('it never comes to its final status'));
      });
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #onSwitch(response: IncomingMessage, head: Buffer, splice: UpgradeListener | undefined): void {
    const upstream = this.#upstream;
    if (this.#isOver || upstream === undefined) return;
    if (!isWebSocket(response.rawHeaders)) {
      this.#fail(new BadResponseError('it switches to another protocol than was asked for'));
      return;
    }
    clearTimeout(this.#timer);
    const { client } = this.#handshake;
    // This is what the 101 is written from.
    response.headers = toWrittenHeaders(this.#receiver.onSwitch(response.rawHeaders));
    upstream.off('error', this.#onError);
    tieEnds(client, upstream);
    let cause: unknown;
    // Before the other end is broken off as well.
    upstream.prependListener('error', (error) => {
      if (!upstream.readableEnded) cause ??= error;
    });
    upstream.prependListener('close', () => {
      if (!upstream.readableEnded && !client.destroyed)
        cause ??= new ConnectionError('CONNECTION_CLOSED', 'closed');
    });
    client.on('close', () => this.#onClientClose(cause));
    splice?.(response, upstream, head);
    const forget = this.#options.openSockets?.add(prepareFarewell(client, upstream));
    if (forget !== undefined) client.on('close', forget);
    // A socket may be open for hours: what it keeps alive is not to hold the head that was sent, and the token in it. http-proxy keeps the
    // response, which knows its request.
    this.#handshake = { ...this.#handshake, lines: [] };
    Reflect.deleteProperty(response, 'req');
    for (const socket of [client, upstream]) socket.setKeepAlive(true, PROBE_DELAY_MS);
  }

  #onClientClose(cause: unknown): void {
    if (this.#isOver) return;
    if (cause !== undefined) {
      this.#fail(cause);
      return;
    }
    this.#isOver = true;
    this.#receiver.onEnd([]);
  }

  /** Anything but a 101: the upstream's own answer to the handshake. */
  #onResponse(response: IncomingMessage, upstream: Socket): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    const { statusCode = 0, statusMessage = '', rawHeaders } = response;
    if (statusCode === 101) {
      this.#fail(new BadResponseError('it switches protocols and does not say to which'));
      return;
    }
    if (!isReadable(response)) {
      this.#fail(
        new BadResponseError('it is in another version, or has a transfer coding other than chunked'),
      );
      return;
    }
    this.#response = response;
    this.#limitSilence(response, upstream);
    const receiver = this.#receiver;
    response.on('data', (chunk: Buffer) => {
      if (!this.#isOver && !receiver.onData(chunk)) response.pause();
    });
    response.on('end', () => {
      if (this.#isOver) return;
      this.#stop();
      receiver.onEnd(response.rawTrailers);
    });
    response.on('error', this.#onError);
    receiver.onHead(statusCode, statusMessage, rawHeaders);
  }

  #limitSilence(response: IncomingMessage, upstream: Socket): void {
    const { idleMs } = this.#handshake.timeout;
    upstream.setTimeout(idleMs, () => {
      // Whoever doesn't read is not the upstream.
      if (response.isPaused()) upstream.setTimeout(idleMs);
      else this.#fail(new ConnectionError('IDLE_TIMEOUT', `silent for ${idleMs} ms`));
    });
  }
}

/** Whether a 101 switches to WebSocket, and to nothing else (RFC 6455, section 4.1). */
function isWebSocket(lines: FieldLines): boolean {
  let upgrade: string | undefined;
  let connection: string | undefined;
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const value = lines[i + 1] as string;
    if (lines[i]?.toLowerCase() === 'upgrade') upgrade = joinValues(upgrade, value);
    if (lines[i]?.toLowerCase() === 'connection') connection = joinValues(connection, value);
  }
  return upgrade?.toLowerCase() === 'websocket' && namesUpgrade(connection);
}

/** Node reads answers whose version or transfer coding nobody has decoded; what is behind their head is not their content. */
function isReadable({ httpVersionMajor, rawHeaders }: IncomingMessage): boolean {
  let coding: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === 'transfer-encoding')
      coding = joinValues(coding, rawHeaders[i + 1] as string);
  }
  return httpVersionMajor === 1 && (coding === undefined || coding.trim().toLowerCase() === 'chunked');
}

/** What Node's parser found wrong, as ours would say it. */
function toReadableCause(cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return code.startsWith('HPE_') ? new BadResponseError(`it can't be parsed (${code})`) : cause;
}
