import type { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import { isProxyError } from '../errors.ts';
import type { ExchangeRecord, Observer, UpstreamEvent } from './events.ts';
import { OPENING, toReadableLine } from './readable-line.ts';
import { redactSecrets } from './redact.ts';
import { type LineFacts, type LogFields, toGoogleFields, toRequestFields } from './request-fields.ts';
import { createSampling } from './sampling.ts';

export interface LogOptions {
  /** Where lines go; undefined means the process's stderr, written without blocking. */
  readonly stream: Writable | undefined;
  /** One readable line a message instead of JSON, unless `format` says otherwise. */
  readonly pretty: boolean;
  readonly colour: boolean;
  /** Only warnings and errors, whatever `level` says. */
  readonly quiet: boolean;
  /** `google`: JSON with the names that Cloud Logging knows. */
  readonly format?: 'json' | 'pretty' | 'google' | undefined;
  /** The least that has a line; `info` if left out. */
  readonly level?: LogLevel;
  /** Share of the requests that went well that have a line; 1, all of them, if left out. */
  readonly sample?: number;
  /** From when on a request is slow, and has a line in any case; 0 or left out: never. */
  readonly slowMs?: number;
  /** Where Cloud Logging looks for traces. */
  readonly project?: string | undefined;
  /** Which of several processes that write one log this is: each line says so. */
  readonly worker?: number;
  /** Milliseconds on a monotonic clock; the process's own if left out. */
  readonly monotonicMs?: () => number;
}

export type LogLevel = 'info' | 'warn' | 'error';

/** What the program says while it runs. No line holds a header, a body, a query value or a token. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Writes a line for every request, and for a WebSocket one when it opens and one when it is over. */
  readonly observer: Observer;
  /** Writes out what is still buffered. */
  flush(): void;
}

/** Makes the log. */
export async function createLog(options: LogOptions): Promise<Log> {
  const { stream, quiet, sample = 1, slowMs = 0, project, worker } = options;
  const { level = 'info', format = options.pretty ? 'pretty' : 'json' } = options;
  const destination = stream ?? createStderr(worker !== undefined);
  const target = format === 'pretty' ? await createPrettyStream(destination, options.colour) : destination;
  const logger = pino(
    {
      level: quiet && level === 'info' ? 'warn' : level,
      base: worker === undefined ? null : { worker },
      timestamp: pino.stdTimeFunctions.isoTime,
      ...(format === 'google' ? GOOGLE_NAMES : OWN_NAMES),
    },
    target,
  );
  const lines: RequestLines = {
    logger,
    isNews: createNewsGate(options.monotonicMs ?? (() => performance.now())),
    toFacts: createSampling({ sample, slowMs, isOn: logger.isLevelEnabled('info') }),
    toFields: (record, facts) =>
      format === 'google' ? toGoogleFields(record, facts, project) : toRequestFields(record, facts),
  };
  return {
    info: (message, fields) => logger.info(fields ?? {}, redactSecrets(message)),
    warn: (message, fields) => logger.warn(fields ?? {}, redactSecrets(message)),
    error: (message, fields) => logger.error(fields ?? {}, redactSecrets(message)),
    observer: {
      onExchange: (record) => logExchange(lines, record),
      onWebSocket: (record) => logOpening(lines, record),
      onUpstream: (event) => logUpstream(logger, event),
    },
    flush: () => {
      if ('flushSync' in destination) destination.flushSync();
    },
  };
}

/** What several processes write at once stays whole in pieces of this size (PIPE_BUF, pipe(7)); a piece is whole lines. */
const SHARED_WRITE_BYTES = 4_096;

function createStderr(isShared: boolean): ReturnType<typeof pino.destination> {
  return pino.destination({ dest: 2, sync: false, ...(isShared && { maxWrite: SHARED_WRITE_BYTES }) });
}

const OWN_NAMES = { formatters: { level: (label: string) => ({ level: label }) } };

/** https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#logseverity */
const SEVERITIES: Readonly<Record<string, string>> = { info: 'INFO', warn: 'WARNING', error: 'ERROR' };
const GOOGLE_NAMES = {
  messageKey: 'message',
  formatters: { level: (label: string) => ({ severity: SEVERITIES[label] ?? 'DEFAULT' }) },
};

/** What makes a line of a request. */
interface RequestLines {
  readonly logger: Logger;
  readonly isNews: (what: string) => boolean;
  readonly toFacts: (record: ExchangeRecord) => LineFacts | undefined;
  readonly toFields: (record: ExchangeRecord, facts: LineFacts) => LogFields;
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

function logUpstream(logger: Logger, event: UpstreamEvent): void {
  if (event.type !== 'breaker-opened') return;
  const { origin, failures } = event;
  logger.warn(
    { upstream: origin },
    `The last ${failures} connections to ${origin} failed, so for a moment none is tried.`,
  );
}

function logOpening({ logger, toFacts, toFields }: RequestLines, record: ExchangeRecord): void {
  const facts = toFacts(record);
  if (facts !== undefined) logger.info(toFields(record, facts), OPENING);
}

function logExchange({ logger, isNews, toFacts, toFields }: RequestLines, record: ExchangeRecord): void {
  const facts = toFacts(record);
  if (facts === undefined) return;
  const fields = toFields(record, facts);
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
