import type { ExchangeRecord } from './events.ts';

/** Plain values only: whatever is put here is written as it is. */
export type LogFields = Readonly<
  Record<
    string,
    string | number | boolean | readonly string[] | Readonly<Record<string, unknown>> | undefined
  >
>;

/** What only this line knows of itself. */
export interface LineFacts {
  readonly isSlow: boolean;
  /** The share of lines like this one that is written, where not all are. */
  readonly sample: number | undefined;
}

/** A request as fields of a line. */
export function toRequestFields(record: ExchangeRecord, facts: LineFacts): LogFields {
  return {
    requestId: record.requestId,
    method: record.method,
    target: record.target,
    route: record.route,
    status: record.status,
    upstreamMs: round(record.upstreamMs),
    totalMs: round(record.totalMs),
    ...toDetails(record, facts),
  };
}

/**
 * The same with the names that Cloud Logging makes something of.
 * https://cloud.google.com/logging/docs/structured-logging
 * @param project where traces are looked for; without it, a line names its trace and isn't tied to it
 */
export function toGoogleFields(
  record: ExchangeRecord,
  facts: LineFacts,
  project: string | undefined,
): LogFields {
  const { trace } = record;
  return {
    httpRequest: {
      requestMethod: record.method,
      requestUrl: record.target,
      status: record.status === 0 ? undefined : record.status,
      latency: `${(record.totalMs / 1_000).toFixed(6)}s`,
    },
    requestId: record.requestId,
    route: record.route,
    upstreamMs: round(record.upstreamMs),
    ...toDetails(record, facts),
    ...(trace && {
      'logging.googleapis.com/trace': project && `projects/${project}/traces/${trace.traceId}`,
      'logging.googleapis.com/spanId': trace.spanId,
      'logging.googleapis.com/trace_sampled': trace.isSampled,
    }),
  };
}

function toDetails(record: ExchangeRecord, { isSlow, sample }: LineFacts): LogFields {
  return {
    tokenAgeS: record.tokenAgeMs === undefined ? undefined : Math.round(record.tokenAgeMs / 1_000),
    error: record.error,
    refusedBy: record.refusal?.by,
    cause: record.refusal?.cause,
    replayed: record.isReplay || undefined,
    traceId: record.trace?.traceId,
    slow: isSlow || undefined,
    sample,
  };
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}
