import type { ProxyError } from '../errors.ts';
import type { Attempt, AttemptFailure, Carrier, Lane } from './lane.ts';
import type { Receiver, Sending, UpstreamRequest } from './transport.ts';
import { toUpstreamError } from './upstream-failure.ts';

/** What the carriages of one transport share. */
export interface CarriageContext {
  readonly origin: string;
  readonly forwardProxy: URL | undefined;
  laneFor(request: UpstreamRequest): Lane;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** One request on its way, between a lane and whoever wants the response. */
export class Carriage implements Attempt, Sending {
  readonly request: UpstreamRequest;
  wantsNewConnection = false;
  readonly #receiver: Receiver;
  readonly #context: CarriageContext;
  #carrier: Carrier | undefined;
  #isOver = false;

  constructor(request: UpstreamRequest, receiver: Receiver, context: CarriageContext) {
    this.request = request;
    this.#receiver = receiver;
    this.#context = context;
  }

  start(): void {
    this.#carrier = this.#context.laneFor(this.request).carry(this);
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#carrier?.abort();
  }

  resume(): void {
    if (!this.#isOver) this.#carrier?.resume();
  }

  onInterim(status: number, lines: readonly string[]): void {
    if (!this.#isOver) this.#receiver.onInterim(status, lines);
  }

  onHead(status: number, reason: string, lines: readonly string[]): void {
    if (!this.#isOver) this.#receiver.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    if (!this.#isOver && !this.#receiver.onData(chunk)) this.#carrier?.pause();
  }

  onComplete(trailers: readonly string[]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.onEnd(trailers);
  }

  onFailed({ cause, reach }: AttemptFailure): void {
    if (this.#isOver) return;
    const { method, body } = this.request;
    if (reach === 'stale' && !this.wantsNewConnection && body === null && SAFE_METHODS.has(method)) {
      this.wantsNewConnection = true;
      this.start();
      return;
    }
    this.#refuse(toUpstreamError(cause, this.#context.origin, this.#context.forwardProxy));
  }

  #refuse(error: ProxyError): void {
    this.#isOver = true;
    this.#receiver.onError(error);
  }
}
