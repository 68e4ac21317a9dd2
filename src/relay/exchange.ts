import type { Refuser } from '../auth/refusal.ts';
import type { HeldToken } from '../auth/token-source.ts';
import { ProxyError } from '../errors.ts';
import type { Caller } from '../gate/caller.ts';
import { toSharedLines, withoutCors } from '../gate/cors-response.ts';
import type { SignIns } from '../gate/sign-ins.ts';
import type { Observer } from '../observe/events.ts';
import { tell } from '../observe/observers.ts';
import {
  type Answer,
  toAskAnswer,
  toErrorAnswer,
  toPreflightAnswer,
  toReceivedLine,
  toServerOptionsAnswer,
} from './answers.ts';
import type { Client, ClientListener } from './client/client.ts';
import { composeHead, type Decision, decide, type Forward } from './decide.ts';
import { ExchangeReport } from './exchange-report.ts';
import { findValue } from './field-lines.ts';
import { toGrpcType } from './grpc.ts';
import type { OwnPage } from './known-client.ts';
import type { Load } from './load.ts';
import { toLocalize } from './localization.ts';
import { toOwnAnswer } from './own-pages.ts';
import { toPageAnswer } from './page-answer.ts';
import {
  isRefusal,
  isScreened,
  RefusalScreen,
  type RefusedRequest,
  type Screened,
} from './refusal-screen.ts';
import type { RequestBody } from './request-body.ts';
import { type Localize, toClientHead, toInterimLines, toSwitchHead } from './response-head.ts';
import { toBodyDenial, toRateDenial } from './route-rules.ts';
import type { Site } from './site.ts';
import { toTrailers } from './trailers.ts';
import type { Sending } from './upstream/transport.ts';
import type { UpgradeReceiver } from './upstream/upgrade.ts';

/** What the exchanges of one listener share. */
export interface ExchangeContext {
  /** The site in force; asked once per request. */
  site(): Site;
  readonly observer: Observer | undefined;
  /** All requests in flight. */
  readonly load: Load;
  /** Links that have signed somebody in; outlives every site. */
  readonly signIns: SignIns;
  /** Whether the proxy is on its way out: each response then asks its client to close the connection. */
  isDraining(): boolean;
  /** Milliseconds on a monotonic clock. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/** One request's way through: decided by the core, then carried to the upstream and back. */
export class Exchange implements UpgradeReceiver, ClientListener {
  readonly #context: ExchangeContext;
  readonly #client: Client;
  readonly #report: ExchangeReport;
  #site: Site | undefined;
  #forward: Forward | undefined;
  /** Undefined for whom the gate hasn't let in. */
  #caller: Caller | undefined;
  #token: HeldToken | undefined;
  #sending: Sending | undefined;
  #body: RequestBody | null = null;
  #hasHead = false;
  #isOver = false;
  #isCounted = false;
  #wasAskedOn = false;
  /** The connection speaks another protocol now, which is the carrier's business. */
  #isSwitched = false;
  #screen: RefusalScreen | undefined;
  /** What came behind a refusal that is on the screen. */
  #screenedTrailers: readonly string[] = [];

  constructor(context: ExchangeContext, client: Client) {
    this.#context = context;
    this.#client = client;
    this.#report = new ExchangeReport(context.monotonicMs);
  }

  /** Decides, and answers or forwards. Never throws. */
  start(): void {
    const { load } = this.#context;
    this.#isCounted = load.enter();
    try {
      this.#client.listen(this);
      this.#site = this.#context.site();
      const decision = decide(this.#site, this.#client.head);
      if (this.#isCounted || decision.kind !== 'forward') this.#act(decision);
      else {
        this.#caller = decision.caller;
        this.#fail(toOverload(load));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #act(decision: Decision): void {
    switch (decision.kind) {
      case 'answer':
        this.#caller = decision.caller;
        this.#report.route = decision.route;
        this.#fail(decision.error);
        return;
      case 'ask':
        this.#report.error = decision.error;
        this.#answer(toAskAnswer(decision.error, decision.url, decision.from));
        return;
      case 'server-options':
        this.#answer(toServerOptionsAnswer());
        return;
      case 'preflight':
        this.#report.route = decision.route;
        this.#answer(toPreflightAnswer(decision.lines));
        return;
      case 'own-page':
        this.#showOwnPage(decision.page);
        return;
      case 'forward':
        this.#forward = decision;
        this.#caller = decision.caller;
        this.#report.route = decision.route.name;
        this.#admit(decision);
    }
  }

  /** Counts it on its route, where that takes only so many in a time; what is refused counts nowhere. */
  #admit(forward: Forward): void {
    const { name, rate } = forward.route;
    if (rate === undefined) {
      this.#findToken(forward);
      return;
    }
    this.#whenKnown(rate.take(this.#report.startMs), (earlyMs) => {
      if (earlyMs > 0) this.#fail(toRateDenial(name, rate, earlyMs));
      else this.#findToken(forward);
    });
  }

  /** Goes on with what is known, or once it is. */
  #whenKnown<T extends object | number>(value: T | Promise<T>, goOn: (value: T) => void): void {
    if (!(value instanceof Promise)) {
      goOn(value);
      return;
    }
    value.then(
      (known) => {
        if (!this.#isOver) goOn(known);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #showOwnPage(page: OwnPage): void {
    const { site, signIns, wallMs } = this.#context;
    const context = { site: this.#site ?? site(), signIns, nowMs: wallMs() };
    this.#whenKnown(toOwnAnswer(page, context), ({ answer, error }) => {
      this.#report.error = error;
      this.#answer(answer);
    });
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
    this.#whenKnown(tokens.obtain(), (token) => this.#send(forward, token));
  }

  #send(forward: Forward, token: HeldToken | undefined): void {
    this.#token = token;
    this.#report.tokenAgeMs = token?.ageMs();
    try {
      const lines = composeHead(forward, token);
      this.#body ??= this.#openBody(forward);
      this.#report.onSent();
      const { connection } = this.#client;
      if (forward.upgrade !== undefined && connection !== undefined) {
        const { target, route } = forward;
        const handshake = { target, lines, timeout: route.timeout, client: connection };
        this.#sending = route.upgrades.carry(handshake, this);
        return;
      }
      this.#sending = forward.route.transport.send(
        {
          method: forward.head.method,
          target: forward.target,
          lines,
          body: this.#body,
          expectsContinue: this.#client.expectsContinue && this.#body !== null,
          wantsHttp2: forward.isGrpc,
          mayRetry: forward.route.retry,
          timeout: forward.route.timeout,
        },
        this,
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #openBody({ framing, facts, route: { name, rules } }: Forward): RequestBody | null {
    if (framing === 'none') return null;
    if (framing === 'length') return this.#client.openBody(Number(facts.contentLength));
    const bytes = rules?.bodyBytes;
    const limit = bytes === undefined ? undefined : { bytes, toError: () => toBodyDenial(name, bytes) };
    return this.#client.openBody(undefined, limit);
  }

  onInterim(status: number, lines: readonly string[]): void {
    if (this.#isOver || this.#hasHead) return;
    if (status === 100) {
      // Asked for once, however many attempts are made, and only by a client that waits for it.
      if (this.#wasAskedOn || !this.#client.expectsContinue) return;
      this.#wasAskedOn = true;
    }
    try {
      const kept = toInterimLines(lines, this.#token?.value, this.#localize());
      this.#client.sendInterim(status, this.#withoutCors(kept));
    } catch {
      // One that can't be put into the client's version of HTTP is left out: it is about a response that still comes.
    }
  }

  onSwitch(rawLines: readonly string[]): readonly string[] {
    this.#report.onHead();
    const head = toSwitchHead(rawLines, this.#token?.value, this.#localize());
    this.#report.leaked = head.leaked;
    this.#hasHead = true;
    this.#isSwitched = true;
    this.#client.handOver();
    const { observer } = this.#context;
    if (observer?.onWebSocket !== undefined) {
      const record = this.#report.toRecord(this.#client, this.#forward, this.#body);
      tell(observer, (one) => one.onWebSocket?.(record));
    }
    return this.#withoutCors(head.lines);
  }

  /** What is no response yet has none of it, unless the upstream does that on its own. */
  #withoutCors(lines: readonly string[]): readonly string[] {
    return this.#forward?.route.cors.kind === 'upstream' ? lines : withoutCors(lines);
  }

  onHead(status: number, reason: string, rawLines: readonly string[]): void {
    if (this.#isOver) return;
    this.#report.onHead();
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
    return { forward, tokens, token, isReplay: this.#report.isReplay, wallMs: this.#context.wallMs() };
  }

  #onScreened(forward: Forward, screened: Screened): void {
    if (this.#isOver) return;
    this.#screen = undefined;
    if (screened.kind === 'replay') {
      if (!screened.isComplete) this.#sending?.abort();
      this.#report.isReplay = true;
      this.#send(forward, screened.token);
      return;
    }
    const { head, chunks, isComplete, by, diagnosis } = screened;
    this.#report.refusal = diagnosis;
    this.#begin(head.status, head.reason, head.lines, by);
    let wantsMore = true;
    for (const chunk of chunks) wantsMore = this.onData(chunk);
    if (isComplete) this.onEnd(this.#screenedTrailers);
    else if (wantsMore) this.#sending?.resume();
  }

  /** Sends the response's head. `by` is said to the client where the request was refused. */
  #begin(status: number, reason: string, rawLines: readonly string[], by?: Refuser): void {
    const token = this.#token?.value;
    const head = toClientHead(rawLines, status, token, this.#localize());
    if (by !== undefined) head.lines.push(...toReceivedLine(status, by, this.#report.refusal?.cause));
    this.#report.leaked = head.leaked;
    const safeReason = token !== undefined && reason.includes(token) ? '' : reason;
    try {
      this.#client.sendHead({
        status,
        reason: safeReason,
        lines: this.#share(head.lines),
        contentLength: head.contentLength,
      });
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
  }

  #share(lines: string[]): string[] {
    if (this.#forward === undefined) return lines;
    return toSharedLines(lines, this.#forward.caller, this.#forward.route.cors);
  }

  #localize(): Localize | undefined {
    if (this.#forward === undefined || this.#site === undefined) return undefined;
    return toLocalize(this.#forward, this.#site.homeward);
  }

  onData(chunk: Buffer): boolean {
    if (this.#isOver) return true;
    if (this.#screen !== undefined) {
      this.#screen.onData(chunk);
      return this.#screen === undefined;
    }
    this.#report.responseBytes += chunk.length;
    return this.#client.sendData(chunk);
  }

  onDrain(): void {
    this.#sending?.resume();
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#isOver) return;
    if (this.#screen !== undefined) {
      this.#screenedTrailers = trailers;
      this.#screen.onEnd();
      return;
    }
    if (!this.#isSwitched) this.#client.end(toTrailers(trailers, this.#token?.value));
    this.#conclude();
  }

  onError(error: ProxyError): void {
    this.#fail(error);
  }

  /** The client's connection, or its response, is over: nothing may be left running upstream. */
  onClose(): void {
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
    this.#report.error = error;
    if (this.#hasHead) {
      // What was promised can't be delivered: break the connection, never end it cleanly (RFC 9112, section 8).
      if (!this.#isSwitched) this.#client.breakOff();
      this.#conclude();
      return;
    }
    const { lines } = this.#client.head;
    const contentType = findValue(lines, 'content-type');
    const answer = toErrorAnswer(error, {
      route: this.#report.route,
      requestId: this.#report.id,
      grpcType: toGrpcType({ contentType }),
    });
    this.#answer(toPageAnswer(answer, error, this.#caller, lines));
  }

  #answer(answer: Answer): void {
    try {
      this.#client.sendAnswer(answer);
    } catch {
      // The client went away in between.
      this.#client.breakOff();
    }
    this.#conclude();
  }

  #conclude(): void {
    this.#isOver = true;
    const { observer, load } = this.#context;
    if (this.#isCounted) load.leave();
    if (observer === undefined) return;
    const record = this.#report.toRecord(this.#client, this.#forward, this.#body);
    tell(observer, (one) => one.onExchange(record));
  }
}

function toOverload({ limit }: Load): ProxyError {
  return new ProxyError('overloaded', `There are ${limit} requests in flight, which is as many as may be.`, {
    hint: 'Raise limits.requests in the configuration if this machine can take more.',
    retryAfterMs: 1_000,
  });
}
