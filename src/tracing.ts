import { type Clock, systemClock } from './clock.ts';
import type { ExchangeRecord, Observer } from './observe/events.ts';
import { joinObservers } from './observe/observers.ts';
import { readSpanWish, type SpanSettings } from './observe/otel-environment.ts';
import { NOT_INSTALLED, OWN_TRACE_ID, openSpanExport, type SpanExport } from './observe/span-export.ts';
import { toSpans } from './observe/spans.ts';
import { readVersion } from './version.ts';

/** Sends a span of every request to where OpenTelemetry's variables say, if they say so. */
export interface Tracing {
  /** To be told of requests; passes everything on to whoever was there before, and is just that one where there are no spans. */
  readonly observer: Observer;
  /** Sends what is left, for at most two seconds. After the last request. Never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** Told of everything as well. */
  readonly observer: Observer;
  /** Hears what is wrong: with the variables, the packages, the place where spans go. */
  readonly log: {
    info(message: string): void;
    warn(message: string, fields?: { readonly hint?: string; readonly spans?: number }): void;
  };
  /**
   * The environment; the process's own if left out. OpenTelemetry's libraries read headers, compression, certificates and the
   * resource's attributes from the process's own in any case.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

/** Installs what `peerDependencies` has. */
export const INSTALL_SPANS =
  'npm install @opentelemetry/api@1 @opentelemetry/resources@3 @opentelemetry/sdk-trace@3 @opentelemetry/exporter-trace-otlp-proto@0';

/** Between two complaints of spans that can't be sent. */
const SILENCE_MS = 600_000;
/** What sending the last ones may take. */
const FLUSH_MS = 2_000;

/**
 * Gets tracing ready; loads OpenTelemetry's packages only where they are asked for. Never throws: without spans a proxy does what it is for, so
 * what is wrong with them is said, and that is all.
 */
export async function createTracing(options: TracingOptions): Promise<Tracing> {
  const { observer, log, env = process.env, clock = systemClock } = options;
  const none: Tracing = { observer, close: async () => {} };
  const wish = readSpanWish(env);
  if (wish.kind === 'off') return none;
  if (wish.kind === 'refused') {
    log.warn(`No spans: ${wish.complaint.message}`, { hint: wish.complaint.hint });
    return none;
  }
  const { settings, complaints } = wish;
  for (const { message, hint } of complaints) log.warn(message, { hint });
  // The rest of the URL may be a secret.
  const { origin } = new URL(settings.url);
  const onLost = createLossReport(log, origin, clock);
  let spans: SpanExport;
  try {
    spans = await openSpanExport({ settings, version: readVersion(), onLost });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (NOT_INSTALLED.includes(code)) {
      log.warn('No spans: OpenTelemetry, which they take, is not installed.', {
        hint: `${INSTALL_SPANS} (with --global where gcp-bearer-proxy is)`,
      });
    } else {
      log.warn(`No spans: OpenTelemetry could not be loaded (${code ?? 'an unknown failure'}).`, {
        hint: INSTALL_SPANS,
      });
    }
    return none;
  }
  log.info(`Spans go to ${origin}.`);
  return {
    observer: joinObservers([observer, toSpanObserver(spans, settings, clock)]),
    async close() {
      let stopWaiting = (): void => {};
      const bound = new Promise<void>((resolve) => {
        stopWaiting = clock.schedule(FLUSH_MS, resolve);
      });
      await Promise.race([spans.close(), bound]);
      stopWaiting();
      if (spans.unsent > 0) onLost(spans.unsent, 'not sent before the end');
    },
  };
}

function toSpanObserver(spans: SpanExport, { sampler }: SpanSettings, clock: Clock): Observer {
  const write = (record: ExchangeRecord): void => {
    // Nobody would sample it: nothing has to be made of it first.
    if (sampler.isParentBased && record.trace?.isSampled === false) return;
    // Spans sent through this very proxy would make spans for ever.
    if (record.trace?.traceId === OWN_TRACE_ID) return;
    spans.write(toSpans(record, clock.now().wallMs), record.trace);
  };
  return {
    onExchange(record) {
      // A WebSocket's handshake was told when it opened.
      if (record.status !== 101) write(record);
    },
    onWebSocket: write,
  };
}

/** The first loss is told at once; those that follow are counted, and told now and then. */
function createLossReport(
  log: TracingOptions['log'],
  origin: string,
  clock: Clock,
): (count: number, why: string) => void {
  let lost = 0;
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  return (count, why) => {
    lost += count;
    const nowMs = clock.now().monotonicMs;
    if (nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + SILENCE_MS;
    log.warn(`Spans are lost on their way to ${origin}: ${why}. Requests are served all the same.`, {
      spans: lost,
    });
    lost = 0;
  };
}
