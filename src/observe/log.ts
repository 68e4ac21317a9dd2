import type { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import { isProxyError } from '../errors.ts';
import type { ExchangeRecord, Observer } from './events.ts';
import { toReadableLine } from './readable-line.ts';
import { redactSecrets } from './redact.ts';

export interface LogOptions {
  /** Where lines go; undefined means the process's stderr, written without blocking. */
  readonly stream: Writable | undefined;
  /** One readable line a message instead of JSON. */
  readonly pretty: boolean;
  readonly colour: boolean;
  /** Only warnings and errors. */
  readonly quiet: boolean;
  /** Milliseconds on a monotonic clock; the process's own if left out. */
  readonly monotonicMs?: () => number;
}

/** What the program says while it runs. No line holds a header, a body, a query value or a token. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes a line for every request. */
  readonly observer: Observer;
  /** Writes out what is still buffered. */
  flush(): void;
}

/** Plain values only: whatever is put here is written as it is. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Makes the log. */
export async function createLog(options: LogOptions): Promise<Log> {
  const destination = options.stream ?? pino.destination({ dest: 2, sync: false });
  const target = options.pretty ? await createPrettyStream(destination, options.colour) : destination;
  const logger = pino(
    {
      level: options.quiet ? 'warn' : 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    target,
  );
  const isNews = createNewsGate(options.monotonicMs ?? (() => performance.now()));
  return {
    info: (message, fields) => logger.info(fields ?? {}, redactSecrets(message)),
    warn: (message, fields) => logger.warn(fields ?? {}, redactSecrets(message)),
    error: (message, fields) => logger.error(fields ?? {}, redactSecrets(message)),
    observer: { onExchange: (record) => logExchange(logger, record, isNews) },
    flush: () => {
      if ('flushSync' in destination) destination.flushSync();
    },
  };
}

/** An explanation is repeated after this long, not with every request that it explains. */
const NEWS_MS = 60_000;

/** Says whether something was not said within the last minute. */
function createNewsGate(monotonicMs: () => number): (what: string) => boolean {
  const saidMs = new Map<string, number>();
  return (what) => {
    const nowMs = monotonicMs();
    const lastMs = saidMs.get(what);
    if (lastMs !== undefined && nowMs - lastMs < NEWS_MS) return false;
    saidMs.set(what, nowMs);
    return true;
  };
}

function logExchange(logger: Logger, record: ExchangeRecord, isNews: (what: string) => boolean): void {
  const fields = {
    requestId: record.requestId,
    method: record.method,
    target: record.target,
    route: record.route,
    status: record.status,
    upstreamMs: round(record.upstreamMs),
    totalMs: round(record.totalMs),
    tokenAgeS: record.tokenAgeMs === undefined ? undefined : Math.round(record.tokenAgeMs / 1_000),
    error: record.error,
    refusedBy: record.refusal?.by,
    cause: record.refusal?.cause,
    replayed: record.isReplay || undefined,
  };
  if (record.leakedHeaders !== undefined) {
    const names = record.leakedHeaders.join(', ');
    logger.warn(
      { requestId: record.requestId, route: record.route },
      `The upstream sent the token back in ${names}; dropped.`,
    );
  }
  const { refusal } = record;
  if (refusal !== undefined && isNews(`${record.route} ${refusal.cause}`)) {
    logger.warn({ ...fields, hint: refusal.hint }, redactSecrets(refusal.message));
  } else if (record.cause !== undefined) {
    logger.error({ ...fields, cause: describeCause(record.cause) }, record.message ?? 'internal error');
  } else if (record.error !== undefined && record.status >= 500) {
    logger.warn(fields, record.message ?? record.error);
  } else {
    logger.info(fields, record.message ?? 'request');
  }
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}

/** An unexpected error's stack with secrets taken out; never its other properties, which can hold whole requests. */
function describeCause(cause: unknown): string {
  if (isProxyError(cause)) return `${cause.code}: ${redactSecrets(cause.message)}`;
  return redactSecrets(cause instanceof Error ? (cause.stack ?? cause.message) : 'not an Error');
}

/** One readable line a message. */
async function createPrettyStream(
  destination: DestinationStream,
  colour: boolean,
): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination,
    // The line paints itself.
    colorize: false,
    sync: true,
    hideObject: true,
    ignore: 'time,level',
    messageFormat: (line) => toReadableLine(line, colour),
  });
}
