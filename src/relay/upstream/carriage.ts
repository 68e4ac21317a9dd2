import type { Clock } from '../../clock.ts';
import { ProxyError } from '../../errors.ts';
import type { Breaker } from './breaker.ts';
import { toUpstreamError } from './failure.ts';
import type { Attempt, AttemptFailure, Carrier, Lane, Reach } from './lane.ts';
import { isPassing, isRetriable, MAX_ATTEMPTS, type RetryBudget, toBackoffMs } from './retry.ts';
import type { Receiver, Sending, UpstreamRequest } from './transport.ts';

/** What the carriages of one transport share. */
export interface CarriageContext {
  readonly origin: string;
  readonly forwardProxy: URL | undefined;
  readonly clock: Clock;
  /** As `Math.random`. */
  readonly random: () => number;
  readonly breaker: Breaker;
  readonly budget: RetryBudget;
  /** Told before a request is sent a second time. */
  readonly onRetry: (reason: Reach) => void;
  /** Undefined once the transport is destroyed. */
  laneFor(request: UpstreamRequest): Lane | undefined;
}

/**
 * One request on its way, between a lane and whoever wants the response: tried a second time where that is safe (R54, R55), and
 * not at all while the upstream can't be connected to (R58).
 */
export class Carriage implements Attempt, Sending {
  wantsNewConnection = false;
  /** Its head has the token in it: in a private field `util.inspect` doesn't see it. */
  readonly #request: UpstreamRequest;
  readonly #receiver: Receiver;
  readonly #context: CarriageContext;
  readonly #round: number;
  #carrier: Carrier | undefined;
  #attempts = 0;
  #hasAnswered = false;
  #isTrial = false;
  #isOver = false;

  constructor(request: UpstreamRequest, receiver: Receiver, context: CarriageContext) {
    this.#request = request;
    this.#receiver = receiver;
    this.#context = context;
    this.#round = context.breaker.round;
  }

  get request(): UpstreamRequest {
    return this.#request;
  }

  /** Sends it, or has it refused once this has returned. */
  start(): void {
    const { breaker, budget } = this.#context;
    budget.onRequest();
    if (!this.#request.mayRetry) this.#request.body?.forget();
    if (!breaker.isClosed) {
      if (!breaker.beginTrial()) {
        this.#refuseLater(breaker.toError());
        return;
      }
      this.#isTrial = true;
      this.wantsNewConnection = true;
    }
    this.#try();
  }

  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#giveUpTrial();
    this.#carrier?.abort();
  }

  resume(): void {
    if (!this.#isOver) this.#carrier?.resume();
  }

  onInterim(status: number, lines: readonly string[]): void {
    if (this.#isOver) return;
    this.#onAnswer();
    this.#receiver.onInterim(status, lines);
  }

  onHead(status: number, reason: string, lines: readonly string[]): void {
    if (this.#isOver) return;
    this.#onAnswer();
    this.#receiver.onHead(status, reason, lines);
  }

  onBody(chunk: Buffer): void {
    if (!this.#isOver && !this.#receiver.onData(chunk)) this.#carrier?.pause();
  }

  onComplete(trailers: readonly string[]): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.onEnd(trailers);
  }

  onFailed(failure: AttemptFailure): void {
    if (this.#isOver) return;
    const { origin, forwardProxy, breaker } = this.#context;
    this.#carrier = undefined;
    const error = toUpstreamError(failure.cause, origin, forwardProxy);
    if (failure.reach === 'unsent') breaker.onFailure(this.#round, error);
    else this.#giveUpTrial();
    if (this.#maySendAgain(failure)) this.#tryAgain(failure);
    else this.#refuse(error);
  }

  #try(): void {
    const lane = this.#context.laneFor(this.#request);
    if (lane === undefined) {
      this.#refuseLater(new ProxyError('shutting_down', 'The proxy stops.'));
      return;
    }
    this.#attempts += 1;
    this.#carrier = lane.carry(this);
  }

  #maySendAgain(failure: AttemptFailure): boolean {
    const { breaker, budget } = this.#context;
    if (this.#attempts === MAX_ATTEMPTS || this.#hasAnswered) return false;
    if (!breaker.isClosed || !isRetriable(this.#request, failure)) return false;
    return isPassing(failure.reach) || budget.take();
  }

  async #tryAgain(failure: AttemptFailure): Promise<void> {
    const { clock, random } = this.#context;
    this.wantsNewConnection = true;
    this.#context.onRetry(failure.reach);
    const backoffMs = toBackoffMs(failure, random);
    // Meanwhile nothing else may be keeping the process alive.
    if (backoffMs > 0) await clock.wait(backoffMs);
    if (!this.#isOver) this.#try();
  }

  #onAnswer(): void {
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    this.#context.breaker.onUp();
    this.#request.body?.forget();
  }

  /** Where nothing became known of it. */
  #giveUpTrial(): void {
    if (this.#isTrial && !this.#hasAnswered) this.#context.breaker.giveUpTrial();
  }

  #refuse(error: ProxyError): void {
    this.#isOver = true;
    this.#request.body?.forget();
    this.#receiver.onError(error);
  }

  #refuseLater(error: ProxyError): void {
    process.nextTick(() => {
      if (!this.#isOver) this.#refuse(error);
    });
  }
}
