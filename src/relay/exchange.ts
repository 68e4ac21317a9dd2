import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Diagnosis, Refuser } from '../auth/refusal.ts';
import type { HeldToken } from '../auth/token-source.ts';
import { ProxyError } from '../errors.ts';
import type { Observer } from '../observe/events.ts';
import { redactTarget } from '../observe/redact.ts';
import { type Answer, toAskAnswer, toErrorAnswer, toReceivedLine, toServerOptionsAnswer } from './answers.ts';
import { composeHead, type Decision, decide, type Forward, type RequestHead } from './decide.ts';
import {
  isRefusal,
  isScreened,
  RefusalScreen,
  type RefusedRequest,
  type Screened,
} from './refusal-screen.ts';
import { toClientHead, toSwitchHead } from './response-head.ts';
import type { Site } from './site.ts';
import type { Sending, UpstreamRequest } from './transport.ts';
import type { UpgradeReceiver } from './upgrade.ts';

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  /** The site in force; asked once per request. */
  site(): Site;
  readonly scheme: 'http' | 'https';
  readonly observer: Observer | undefined;
  /** Whether the proxy is on its way out: each response then asks its client to close the connection. */
  isDraining(): boolean;
  /** Milliseconds on a monotonic clock. */
  monotonicMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/** A body this small that came in one piece goes out together with its head, in one write. */
const SINGLE_WRITE_BYTES = 16_384;

const REQUEST_ID_PREFIX = Math.floor(Math.random() * 36 ** 6)
  .toString(36)
  .padStart(6, '0');
let requestCount = 0;

/** An id for one request, unique in this process and unlikely to repeat in another. */
export function nextRequestId(): string {
  requestCount += 1;
  return `${REQUEST_ID_PREFIX}-${requestCount.toString(36)}`;
}

/** One request's way through: decided by the core, then carried to the upstream and back. */
export class Exchange implements UpgradeReceiver {
  readonly #context: ExchangeContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #expectsContinue: boolean;
  readonly #client: Socket | undefined;
  readonly #startMs: number;
  #forward: Forward | undefined;
  #token: HeldToken | undefined;
  #sending: Sending | undefined;
  #sentMs: number | undefined;
  #upstreamMs: number | undefined;
  #contentLength: number | undefined;
  #hasHead = false;
  #hasBody = false;
  #isOver = false;
  #isSwitched = false;
  #error: ProxyError | undefined;
  #leaked: readonly string[] | undefined;
  #requestId: string | undefined;
  #screen: RefusalScreen | undefined;
  #isReplay = false;
  #refusal: Diagnosis | undefined;

  /** @param client the connection's socket, where it can be handed over to another protocol */
  constructor(
    context: ExchangeContext,
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
    client?: Socket,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#expectsContinue = expectsContinue;
    this.#client = client;
    this.#startMs = context.monotonicMs();
  }

  /** Decides, and answers or forwards. Never throws. */
  start(): void {
    const request = this.#request;
    this.#response.on('close', () => this.#onClientClose());
    const head: RequestHead = {
      method: request.method ?? '',
      target: request.url ?? '',
      httpMajor: request.httpVersionMajor,
      httpMinor: request.httpVersionMinor,
      lines: request.rawHeaders,
      peer: request.socket.remoteAddress ?? '',
      scheme: this.#context.scheme,
      canUpgrade: this.#client !== undefined,
    };
    this.#act(decide(this.#context.site(), head));
  }

  #act(decision: Decision): void {
    switch (decision.kind) {
      case 'answer':
        this.#fail(decision.error);
        return;
      case 'ask':
        this.#error = decision.error;
        this.#answer(toAskAnswer(decision.error, decision.url, decision.from));
        return;
      case 'server-options':
        this.#answer(toServerOptionsAnswer());
        return;
      case 'forward':
        this.#forward = decision;
        this.#findToken(decision);
    }
  }

  /** The hot path reads a valid token without waiting; only a route that has none yet gives up its turn. */
  #findToken(forward: Forward): void {
    const { tokens } = forward.route;
    if (tokens === undefined) {
      this.#send(forward, undefined);
      return;
    }
    const held = tokens.current();
    if (held !== undefined) {
      this.#send(forward, held);
      return;
    }
    tokens.obtain().then(
      (token) => {
        if (!this.#isOver) this.#send(forward, token);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #send(forward: Forward, token: HeldToken | undefined): void {
    this.#token = token;
    try {
      const lines = composeHead(forward, token);
      if (this.#expectsContinue) this.#response.writeContinue();
      this.#sentMs = this.#context.monotonicMs();
      if (forward.upgrade !== undefined && this.#client !== undefined) {
        const { target, route } = forward;
        const handshake = { target, lines, timeout: route.timeout, client: this.#client };
        this.#sending = route.upgrades.carry(handshake, this);
        return;
      }
      this.#sending = forward.route.transport.send(
        {
          method: forward.head.method,
          target: forward.target,
          lines,
          body: toBody(forward, this.#request),
          expectsContinue: false,
          timeout: forward.route.timeout,
        },
        this,
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  onInterim(): void {}

  onSwitch(rawLines: readonly string[]): readonly string[] {
    this.#upstreamMs = this.#context.monotonicMs() - (this.#sentMs ?? 0);
    const head = toSwitchHead(rawLines, this.#token?.value);
    this.#leaked = head.leaked;
    this.#hasHead = true;
    this.#isSwitched = true;
    this.#response.statusCode = 101;
    if (this.#client !== undefined) this.#response.detachSocket(this.#client);
    return head.lines;
  }

  onHead(status: number, reason: string, rawLines: readonly string[]): void {
    if (this.#isOver) return;
    this.#upstreamMs = this.#context.monotonicMs() - (this.#sentMs ?? 0);
    const refused = isRefusal(status) ? this.#toRefusedRequest() : undefined;
    if (refused === undefined) {
      this.#begin(status, reason, rawLines);
    } else if (isScreened(status, rawLines)) {
      const head = { status, reason, lines: rawLines };
      const onScreened = (screened: Screened): void => this.#onScreened(refused.forward, screened);
      this.#screen = new RefusalScreen(head, refused, onScreened);
    } else {
      this.#begin(status, reason, rawLines, status === 404 ? undefined : 'application');
    }
  }

  /** The request at hand, if it went with a token. */
  #toRefusedRequest(): RefusedRequest | undefined {
    const [forward, token] = [this.#forward, this.#token];
    const tokens = forward?.route.tokens;
    if (forward === undefined || token === undefined || tokens === undefined) return undefined;
    return { forward, tokens, token, isReplay: this.#isReplay, wallMs: this.#context.wallMs() };
  }

  #onScreened(forward: Forward, screened: Screened): void {
    if (this.#isOver) return;
    this.#screen = undefined;
    if (screened.kind === 'replay') {
      if (!screened.isComplete) this.#sending?.abort();
      this.#isReplay = true;
      this.#send(forward, screened.token);
      return;
    }
    const { head, chunks, isComplete, by, diagnosis } = screened;
    this.#refusal = diagnosis;
    this.#begin(head.status, head.reason, head.lines, by);
    let wantsMore = true;
    for (const chunk of chunks) wantsMore = this.onData(chunk);
    if (isComplete) this.onEnd([]);
    else if (wantsMore) this.#sending?.resume();
  }

  /** Sends the response's head. `by` is said to the client where the request was refused. */
  #begin(status: number, reason: string, rawLines: readonly string[], by?: Refuser): void {
    const token = this.#token?.value;
    const head = toClientHead(rawLines, status, token);
    if (by !== undefined) head.lines.push(...toReceivedLine(status, by, this.#refusal?.cause));
    this.#leaked = head.leaked;
    this.#contentLength = head.contentLength;
    if (this.#context.isDraining()) this.#response.shouldKeepAlive = false;
    const safeReason = token !== undefined && reason.includes(token) ? '' : reason;
    try {
      this.#response.writeHead(status, safeReason, head.lines);
    } catch (cause) {
      // Node refuses what it would not parse itself: an illegal status or header value.
      this.#sending?.abort();
      const origin = this.#forward?.route.upstreamOrigin;
      this.#fail(
        new ProxyError('bad_upstream_response', `${origin} sent a response head that can't be relayed.`, {
          cause,
        }),
      );
      return;
    }
    this.#hasHead = true;
    // A small body of known length comes along or right behind, and then both go out in one write. Anything else may be
    // long in coming, and the client of an event stream waits for the head.
    if (this.#contentLength === undefined || this.#contentLength > SINGLE_WRITE_BYTES)
      process.nextTick(flushHead, this);
  }

  /** Sends a head whose body is not there yet: an event stream's client waits for it. */
  flushHead(): void {
    if (!this.#hasBody && !this.#isOver) this.#response.flushHeaders();
  }

  onData(chunk: Buffer): boolean {
    if (this.#isOver) return true;
    if (this.#screen !== undefined) {
      this.#screen.onData(chunk);
      return this.#screen === undefined;
    }
    if (!this.#hasBody) {
      this.#hasBody = true;
      if (this.#contentLength === chunk.length && chunk.length <= SINGLE_WRITE_BYTES) {
        this.#response.end(chunk.toString('latin1'), 'latin1');
        return true;
      }
    }
    if (this.#response.write(chunk)) return true;
    this.#response.once('drain', () => this.#sending?.resume());
    return false;
  }

  onEnd(_trailers: readonly string[]): void {
    if (this.#isOver) return;
    if (this.#screen !== undefined) {
      this.#screen.onEnd();
      return;
    }
    if (!this.#isSwitched && !this.#response.writableEnded) this.#response.end();
    this.#conclude();
  }

  onError(error: ProxyError): void {
    this.#fail(error);
  }

  /** The client's connection, or its response, is over: nothing may be left running upstream. */
  #onClientClose(): void {
    if (this.#isOver) return;
    this.#conclude();
    this.#sending?.abort();
  }

  #fail(reason: unknown): void {
    if (this.#isOver) return;
    const error =
      reason instanceof ProxyError
        ? reason
        : new ProxyError('internal', 'The proxy failed on this request.', { cause: reason });
    this.#error = error;
    if (this.#hasHead) {
      // What was promised can't be delivered: break the connection, never end it cleanly (RFC 9112, section 8).
      if (!this.#isSwitched) this.#response.destroy();
      this.#conclude();
      return;
    }
    const route = this.#forward?.route.name;
    this.#answer(toErrorAnswer(error, { route, requestId: this.#id() }));
  }

  #answer(answer: Answer): void {
    if (this.#context.isDraining()) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(answer.status, answer.lines);
    this.#response.end(answer.body);
    this.#conclude();
  }

  #id(): string {
    this.#requestId ??= nextRequestId();
    return this.#requestId;
  }

  #conclude(): void {
    this.#isOver = true;
    const { observer } = this.#context;
    if (observer === undefined) return;
    const cause = this.#error?.code === 'internal' ? this.#error.cause : undefined;
    observer.onExchange({
      requestId: this.#id(),
      method: this.#request.method ?? '',
      target: redactTarget(this.#request.url ?? ''),
      route: this.#forward?.route.name,
      status: this.#hasHead || this.#response.headersSent ? this.#response.statusCode : 0,
      error: this.#error?.code,
      message: this.#error?.message,
      upstreamMs: this.#upstreamMs,
      totalMs: this.#context.monotonicMs() - this.#startMs,
      tokenAgeMs: this.#token?.ageMs(),
      refusal: this.#refusal,
      isReplay: this.#isReplay,
      leakedHeaders: this.#leaked,
      cause,
    });
  }
}

function toBody({ framing, facts }: Forward, stream: IncomingMessage): UpstreamRequest['body'] {
  if (framing === 'none') return null;
  const length = framing === 'length' ? Number(facts.contentLength) : undefined;
  return { stream, length, trailers: () => stream.rawTrailers };
}

function flushHead(exchange: Exchange): void {
  exchange.flushHead();
}
