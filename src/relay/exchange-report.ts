import type { Diagnosis } from '../auth/refusal.ts';
import type { ProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/events.ts';
import { redactTarget } from '../observe/redact.ts';
import { parseTraceparent } from '../observe/trace.ts';
import type { Client } from './client/client.ts';
import type { Forward } from './decide.ts';
import { findValue } from './field-lines.ts';
import type { RequestBody } from './request-body.ts';
import { nextRequestId } from './request-id.ts';

/** What observers are to be told of an exchange, gathered as it goes on. */
export class ExchangeReport {
  /** On the monotonic clock. */
  readonly startMs: number;
  /** The name of the route; undefined while there is none. */
  route: string | undefined;
  tokenAgeMs: number | undefined;
  responseBytes = 0;
  error: ProxyError | undefined;
  leaked: readonly string[] | undefined;
  isReplay = false;
  refusal: Diagnosis | undefined;
  readonly #nowMs: () => number;
  #id: string | undefined;
  #sentAtMs: number | undefined;
  #upstreamMs: number | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.startMs = nowMs();
  }

  get id(): string {
    this.#id ??= nextRequestId();
    return this.#id;
  }

  /** The request has gone upstream, for the first time or again. */
  onSent(): void {
    this.#sentAtMs = this.#nowMs();
  }

  /** The head of the upstream's response is here. */
  onHead(): void {
    this.#upstreamMs = this.#nowMs() - (this.#sentAtMs ?? 0);
  }

  /** What there is to say now. */
  toRecord(
    { head, sentStatus }: Client,
    forward: Forward | undefined,
    body: RequestBody | null,
  ): ExchangeRecord {
    const { startMs, error } = this;
    const target = redactTarget(head.target);
    const traceparent =
      forward === undefined ? findValue(head.lines, 'traceparent') : forward.facts.traceparent;
    return {
      requestId: this.id,
      method: head.method,
      target,
      scheme: head.scheme,
      httpVersion: head.httpMajor === 1 ? `1.${head.httpMinor}` : String(head.httpMajor),
      host: forward?.forwardedHost || undefined,
      route: this.route,
      upstream: forward?.route.upstreamOrigin,
      upstreamTarget: toUpstreamTarget(forward, target),
      status: sentStatus,
      error: error?.code,
      message: error?.message,
      sentMs: this.#sentAtMs === undefined ? undefined : this.#sentAtMs - startMs,
      upstreamMs: this.#upstreamMs,
      totalMs: this.#nowMs() - startMs,
      tokenAgeMs: this.tokenAgeMs,
      requestBytes: body?.readBytes ?? 0,
      responseBytes: this.responseBytes,
      trace: traceparent === undefined ? undefined : parseTraceparent(traceparent),
      refusal: this.refusal,
      isReplay: this.isReplay,
      leakedHeaders: this.leaked,
      cause: error?.code === 'internal' ? error.cause : undefined,
    };
  }
}

/** Redacted; most routes leave it as it is. */
function toUpstreamTarget(forward: Forward | undefined, target: string): string | undefined {
  if (forward === undefined) return undefined;
  return forward.target === forward.head.target ? target : redactTarget(forward.target);
}
