import type { ErrorCode } from '../errors.ts';
import type { ExchangeRecord, Observer, ReloadEvent, UpstreamEvent } from './events.ts';
import {
  type Count,
  createCounter,
  createHistogram,
  type Distribution,
  type MetricFamily,
} from './instruments.ts';

/**
 * Counts what happens, for whoever asks. Labels are names from the configuration, codes of our own, and classes of methods and
 * statuses: no client can make a new one (a request to no route has the empty name).
 */
export interface Tally extends Required<Observer> {
  onToken(mint: MintRecord): void;
  /** Shows these routes from now on, though nobody may have asked for them yet: what starts with 1 never seems to have grown. */
  expect(routes: readonly string[]): void;
  /** Everything counted so far. */
  families(): readonly MetricFamily[];
}

/** A mint that is over. */
export interface MintRecord {
  /** `id`, `access`, `jwt`. */
  readonly kind: string;
  /** The audience, or the scopes. */
  readonly audience: string;
  readonly durationMs: number;
  /** Why it failed; undefined where it did not. */
  readonly error: ErrorCode | undefined;
}

/** Methods with a label of their own; any other is `other`. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const OTHER_METHOD = 'other';
/** By the first digit of a status; 0: nothing could be sent. */
const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'];

/** Why mints fail. */
const MINT_ERRORS: readonly ErrorCode[] = ['token_unavailable', 'credentials_invalid'];

/** In seconds. A private service answers within tens of milliseconds, one that has to start within ten seconds. */
const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const MINT_BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const AGE_BOUNDS = [1, 10, 60, 300, 600, 1_200, 1_800, 2_400, 3_000, 3_600];

export function createTally(): Tally {
  const instruments = createInstruments();
  for (const result of ['applied', 'refused']) instruments.reloads.of(result);
  const routes = new Map<string, RouteTally>();
  const routeOf = (name: string): RouteTally => {
    const known = routes.get(name);
    if (known !== undefined) return known;
    const made = new RouteTally(name, instruments);
    routes.set(name, made);
    return made;
  };
  return {
    onExchange: (record) => routeOf(record.route ?? '').count(record),
    onWebSocket: ({ route = '' }) => {
      routeOf(route).openWebSockets.value += 1;
    },
    onUpstream: (event) => countUpstream(instruments, event),
    onReload: ({ result }: ReloadEvent) => {
      instruments.reloads.of(result).value += 1;
    },
    onToken({ kind, audience, durationMs, error }) {
      instruments.mintDuration.of(kind).record(durationMs / 1_000);
      const mints = instruments.mints.of(kind, audience);
      for (const code of MINT_ERRORS) instruments.mintFailures.of(kind, audience, code);
      if (error === undefined) mints.value += 1;
      else instruments.mintFailures.of(kind, audience, error).value += 1;
    },
    expect(names) {
      for (const name of names) routeOf(name);
    },
    families: () => Object.values(instruments).map((instrument) => instrument.toFamily()),
  };
}

function countUpstream({ connects, retries, breakerOpenings }: Instruments, event: UpstreamEvent): void {
  switch (event.type) {
    case 'connected':
      connects.of(event.origin).value += 1;
      return;
    case 'retried':
      retries.of(event.origin, event.reason).value += 1;
      return;
    case 'breaker-opened':
      breakerOpenings.of(event.origin).value += 1;
  }
}

/** What is counted for each request, with everything found beforehand: here a request costs a few additions. */
class RouteTally {
  readonly openWebSockets: Count;
  readonly #name: string;
  readonly #instruments: Instruments;
  /** By method, and within by class of status. */
  readonly #requests: (Count | undefined)[] = [];
  readonly #duration: Distribution;
  readonly #upstreamDuration: Distribution;
  readonly #tokenAge: Distribution;
  readonly #requestBytes: Count;
  readonly #responseBytes: Count;

  constructor(name: string, instruments: Instruments) {
    this.#name = name;
    this.#instruments = instruments;
    this.#duration = instruments.duration.of(name);
    this.#upstreamDuration = instruments.upstreamDuration.of(name);
    this.#tokenAge = instruments.tokenAge.of(name);
    this.#requestBytes = instruments.requestBytes.of(name);
    this.#responseBytes = instruments.responseBytes.of(name);
    this.openWebSockets = instruments.webSockets.of(name);
    instruments.errors.of(name, 'internal');
  }

  count(record: ExchangeRecord): void {
    const { status, upstreamMs, tokenAgeMs } = record;
    this.#requestsOf(record.method, status).value += 1;
    // How long a WebSocket is open says nothing of how fast anybody is.
    if (status === 101) this.openWebSockets.value -= 1;
    else this.#duration.record(record.totalMs / 1_000);
    if (upstreamMs !== undefined) this.#upstreamDuration.record(upstreamMs / 1_000);
    if (tokenAgeMs !== undefined) this.#tokenAge.record(tokenAgeMs / 1_000);
    this.#requestBytes.value += record.requestBytes;
    this.#responseBytes.value += record.responseBytes;
    if (record.error !== undefined || record.refusal !== undefined || record.isReplay)
      this.#countTrouble(record);
  }

  #requestsOf(method: string, status: number): Count {
    const methodIndex = METHODS.indexOf(method);
    const statusIndex = Math.floor(status / 100);
    const index = (methodIndex + 1) * STATUS_CLASSES.length + statusIndex;
    const known = this.#requests[index];
    if (known !== undefined) return known;
    const made = this.#instruments.requests.of(
      this.#name,
      METHODS[methodIndex] ?? OTHER_METHOD,
      // A service may say 799, and is not believed.
      STATUS_CLASSES[statusIndex] ?? 'other',
    );
    if (statusIndex < STATUS_CLASSES.length) this.#requests[index] = made;
    return made;
  }

  #countTrouble({ error, refusal, isReplay }: ExchangeRecord): void {
    const { errors, refusals, replays } = this.#instruments;
    if (error !== undefined) errors.of(this.#name, error).value += 1;
    if (refusal !== undefined) refusals.of(this.#name, refusal.by, refusal.cause).value += 1;
    if (isReplay) replays.of(this.#name).value += 1;
  }
}

type Instruments = ReturnType<typeof createInstruments>;

function createInstruments() {
  const route = ['route'];
  return {
    requests: createCounter({
      name: 'gbp_requests_total',
      help: 'Requests that are over, by the status that was sent; "none" where the client had gone.',
      labels: ['route', 'method', 'status'],
    }),
    errors: createCounter({
      name: 'gbp_errors_total',
      help: "Requests that the proxy itself refused or failed, by the code of its answer: the gate's among them.",
      labels: ['route', 'code'],
    }),
    duration: createHistogram(
      {
        name: 'gbp_request_duration_seconds',
        help: 'From the head of a request to the end of its answer; without WebSockets.',
        labels: route,
      },
      DURATION_BOUNDS,
    ),
    upstreamDuration: createHistogram(
      {
        name: 'gbp_upstream_duration_seconds',
        help: "From sending a request to the head of the upstream's answer.",
        labels: route,
      },
      DURATION_BOUNDS,
    ),
    requestBytes: createCounter({
      name: 'gbp_request_body_bytes_total',
      help: "Content of requests, as far as it was read; without WebSockets'.",
      labels: route,
    }),
    responseBytes: createCounter({
      name: 'gbp_response_body_bytes_total',
      help: "Content of upstreams' answers that went to clients; without WebSockets'.",
      labels: route,
    }),
    webSockets: createCounter(
      { name: 'gbp_websockets_open', help: 'WebSockets that are open.', labels: route },
      'gauge',
    ),
    refusals: createCounter({
      name: 'gbp_upstream_refusals_total',
      help: 'Requests that Google refused in place of the service, by who did and why.',
      labels: ['route', 'by', 'cause'],
    }),
    replays: createCounter({
      name: 'gbp_token_replays_total',
      help: 'Requests that were sent once more with a new token, as the first one was refused.',
      labels: route,
    }),
    retries: createCounter({
      name: 'gbp_upstream_retries_total',
      help: 'Requests that were sent a second time, by how far the first attempt had come.',
      labels: ['upstream', 'reason'],
    }),
    breakerOpenings: createCounter({
      name: 'gbp_upstream_breaker_opens_total',
      help: 'How often an upstream was left alone for a moment, as connections to it failed.',
      labels: ['upstream'],
    }),
    connects: createCounter({
      name: 'gbp_upstream_connects_total',
      help: "Connections made for requests; without WebSockets'.",
      labels: ['upstream'],
    }),
    mints: createCounter({
      name: 'gbp_token_mints_total',
      help: 'Tokens that Google gave.',
      labels: ['kind', 'audience'],
    }),
    mintFailures: createCounter({
      name: 'gbp_token_mint_failures_total',
      help: 'Tokens that Google did not give, by the code of the error.',
      labels: ['kind', 'audience', 'code'],
    }),
    mintDuration: createHistogram(
      {
        name: 'gbp_token_mint_duration_seconds',
        help: 'How long a token was waited for, whether it came or not.',
        labels: ['kind'],
      },
      MINT_BOUNDS,
    ),
    tokenAge: createHistogram(
      {
        name: 'gbp_token_age_seconds',
        help: 'How old the token was that went with a request.',
        labels: route,
      },
      AGE_BOUNDS,
    ),
    reloads: createCounter({
      name: 'gbp_config_reloads_total',
      help: 'New configurations, applied and refused.',
      labels: ['result'],
    }),
  };
}
