import type { HeldToken } from '../auth/token-source.ts';
import type { Clock } from '../clock.ts';
import { ProxyError } from '../errors.ts';
import { composeHead, type Forward, placeToken } from '../relay/decide.ts';
import { findValue } from '../relay/field-lines.ts';
import { type CredentialHeader, readRequestFacts } from '../relay/request-head.ts';
import type { Route } from '../relay/site.ts';
import type { Sending } from '../relay/upstream/transport.ts';
import { toUpstreamTarget } from '../routing/target.ts';

/** What an upstream answered. */
export type HttpFacts =
  | ({ readonly kind: 'answered' } & Answer)
  | { readonly kind: 'failed'; readonly error: ProxyError };

export interface Answer {
  readonly status: number;
  readonly lines: readonly string[];
  /** The beginning of the body, where the status makes it worth a look. Never shown. */
  readonly bodyStart: string;
  readonly durationMs: number;
  /** The local clock minus the answer's `Date`. */
  readonly clockOffsetMs: number | undefined;
  /** What the request's token was in. */
  readonly header: CredentialHeader | undefined;
}

export interface HttpProbe {
  readonly clock: Clock;
  /** For all of it. */
  readonly timeoutMs: number;
  readonly userAgent: string;
}

const LONGEST_START_BYTES = 4_096;
/** `Date` has whole seconds: on average it is half a one old. */
const DATE_GRAIN_MS = 500;

/**
 * Asks an upstream for its base path as the relay would, with a token or without one. Of a refusal the first 4 KiB are
 * read, of anything else the head. Never rejects.
 */
export function askUpstream(
  route: Route,
  token: HeldToken | undefined,
  probe: HttpProbe,
): Promise<HttpFacts> {
  const { clock, timeoutMs } = probe;
  const forward = toForward(token === undefined ? { ...route, tokens: undefined } : route, probe.userAgent);
  const startedAt = clock.now();
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let sending: Sending | undefined;
    let head: { readonly status: number; readonly lines: readonly string[] } | undefined;
    let answeredAt = startedAt;
    let isOver = false;
    const end = (error?: ProxyError): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      sending?.abort();
      if (head === undefined) {
        const failure = error ?? toTimeout(route, timeoutMs);
        resolve({ kind: 'failed', error: failure });
        return;
      }
      const { status, lines } = head;
      // Halfway between sending and the answer is when the other side looked at its clock.
      const wallMs = (startedAt.wallMs + answeredAt.wallMs) / 2;
      resolve({
        kind: 'answered',
        status,
        lines,
        bodyStart: Buffer.concat(chunks).toString('latin1', 0, LONGEST_START_BYTES),
        durationMs: answeredAt.monotonicMs - startedAt.monotonicMs,
        clockOffsetMs: readOffset(lines, wallMs),
        header: token && forward.placement.header,
      });
    };
    const cancel = clock.schedule(timeoutMs, () => end());
    sending = route.transport.send(
      {
        method: 'GET',
        target: forward.target,
        lines: composeHead(forward, token),
        body: null,
        expectsContinue: false,
        wantsHttp2: false,
        mayRetry: true,
        timeout: { connectMs: timeoutMs, headersMs: timeoutMs, idleMs: timeoutMs },
      },
      {
        onInterim() {},
        onHead(status, _reason, lines) {
          head = { status, lines };
          answeredAt = clock.now();
          if (status < 400 || status >= 500) end();
        },
        onData(chunk) {
          chunks.push(chunk);
          if (chunks.reduce((sum, { length }) => sum + length, 0) >= LONGEST_START_BYTES) end();
          return !isOver;
        },
        onEnd: () => end(),
        onError: (error) => end(error),
      },
    );
    // A transport may answer before it returns.
    if (isOver) sending.abort();
  });
}

/** A request for the route's own path, as a client on this machine would send it. */
function toForward(route: Route, userAgent: string): Forward {
  const host = route.host ?? 'localhost';
  const lines = ['Host', host, 'User-Agent', userAgent, 'Accept', '*/*'];
  const facts = readRequestFacts(lines);
  const head = {
    method: 'GET',
    target: route.path,
    httpMajor: 1,
    httpMinor: 1,
    http2: undefined,
    lines,
    peer: '127.0.0.1',
    scheme: 'http' as const,
    listener: 0,
  };
  return {
    kind: 'forward',
    route,
    head,
    facts,
    localTarget: route.path,
    target: toUpstreamTarget(route, route.path, ''),
    framing: 'none',
    isGrpc: false,
    upgrade: undefined,
    forwardedHost: host,
    caller: { kind: 'program' },
    placement: placeToken(route, facts),
  };
}

function readOffset(lines: readonly string[], wallMs: number): number | undefined {
  // A cache's answer has the date of the day it was made.
  if (findValue(lines, 'age') !== undefined) return undefined;
  const dateMs = Date.parse(findValue(lines, 'date') ?? '');
  return Number.isNaN(dateMs) ? undefined : wallMs - dateMs - DATE_GRAIN_MS;
}

function toTimeout({ upstreamOrigin }: Route, timeoutMs: number): ProxyError {
  const message = `${upstreamOrigin} did not answer within ${timeoutMs / 1_000} s.`;
  return new ProxyError('upstream_timeout', message, { hint: 'Is the service up? Its log may say more.' });
}
