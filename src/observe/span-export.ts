import type { Context, Span } from '@opentelemetry/api';
import type { Sampler, SpanExporter } from '@opentelemetry/sdk-trace';
import type { SamplerSettings, SpanSettings } from './otel-environment.ts';
import type { RequestSpans, SpanRecord } from './spans.ts';
import type { TraceContext } from './trace.ts';

/** Makes spans known to OpenTelemetry, and sends those that are sampled, in batches and in the background. */
export interface SpanExport {
  /** Never waits, never throws; when too many wait already, they are lost. */
  write(spans: RequestSpans, caller: TraceContext | undefined): void;
  /** Sends what still waits; resolves when it is sent or lost. Never rejects. */
  close(): Promise<void>;
  /** How many are sampled and neither sent nor lost. */
  readonly unsent: number;
}

export interface SpanExportOptions {
  readonly settings: SpanSettings;
  /** This program's, told with every batch. */
  readonly version: string;
  /** Told of spans that are lost, and why: a code or a few words, never what anybody sent. */
  readonly onLost: (count: number, why: string) => void;
}

/**
 * The trace that the requests with spans belong to, which nobody samples: where they come by a proxy, one of its own workers say, they
 * aren't to be traced.
 */
export const OWN_TRACE_ID = Buffer.from('gcp-bearer-proxy').toString('hex');

/** What `import()` says of a package that isn't there, and `require` of one that it needs. */
export const NOT_INSTALLED: readonly unknown[] = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/** Over the exporter's own limit, so that it is the one that says what went wrong. */
const GRACE_MS = 1_000;

/**
 * Loads OpenTelemetry and gets it ready. It reads some variables of the process itself: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, and of
 * `OTEL_EXPORTER_OTLP_*` headers, compression and certificates. Nothing is registered with its global API.
 * @throws an error with a code of `NOT_INSTALLED` where the packages are missing
 */
export async function openSpanExport({ settings, version, onLost }: SpanExportOptions): Promise<SpanExport> {
  const [api, resources, sdk, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
  ]);
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } = api;
  const ids = new sdk.RandomIdGenerator();
  const { url, timeoutMs, maxQueued, maxBatch } = settings;
  const exporter = new OTLPTraceExporter({
    url,
    timeoutMillis: timeoutMs,
    // At the end all that waits is sent at once, while a batch may be under way.
    concurrencyLimit: Math.ceil(maxQueued / maxBatch) + 1,
    headers: { traceparent: `00-${OWN_TRACE_ID}-${ids.generateSpanId()}-00` },
  });
  // Counted here as well: OpenTelemetry says nothing of those it drops.
  let queued = 0;
  let unsent = 0;
  const counting: SpanExporter = {
    export(spans, done) {
      queued -= spans.length;
      exporter.export(spans, ({ code, error }) => {
        unsent -= spans.length;
        // 0 is success. Failures are told of here, so nobody else has to.
        if (code !== 0) onLost(spans.length, describe(error));
        done({ code: 0 });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
  const { resourceAttributesEnvDetector, serviceInstanceIdDetector, serviceNameEnvDetector } = resources;
  const detectors = [serviceInstanceIdDetector, resourceAttributesEnvDetector, serviceNameEnvDetector];
  const provider = new sdk.TracerProvider({
    resource: resources
      .defaultResource()
      .merge(
        resources.resourceFromAttributes({ 'service.name': 'gcp-bearer-proxy', 'service.version': version }),
      )
      .merge(resources.detectResources({ detectors })),
    sampler: toSampler(sdk, settings.sampler),
    spanLimits: { attributeValueLengthLimit: settings.maxLength },
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: counting,
        maxQueueSize: maxQueued,
        maxExportBatchSize: maxBatch,
        scheduledDelayMillis: settings.delayMs,
        exportTimeoutMillis: timeoutMs + GRACE_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('gcp-bearer-proxy', version);

  const start = ({ kind, name, startMs, attributes }: SpanRecord, parent: Context): Span =>
    tracer.startSpan(
      name,
      { kind: kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT, startTime: startMs, attributes },
      parent,
    );
  const end = (span: Span, { isError, problem, endMs }: SpanRecord): void => {
    if (!span.isRecording()) return;
    if (queued >= maxQueued) {
      onLost(1, 'too many wait to be sent');
      return;
    }
    queued += 1;
    unsent += 1;
    if (isError) span.setStatus({ code: SpanStatusCode.ERROR, ...(problem && { message: problem }) });
    span.end(endMs);
  };
  return {
    write({ server, client }, caller) {
      const parent =
        caller === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, {
              traceId: caller.traceId,
              spanId: caller.spanId,
              traceFlags: caller.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
              isRemote: true,
            });
      const span = start(server, parent);
      if (client !== undefined) end(start(client, trace.setSpan(parent, span)), client);
      end(span, server);
    },
    // What went wrong was told.
    close: () => provider.shutdown().catch(() => {}),
    get unsent() {
      return unsent;
    },
  };
}

function toSampler(
  sdk: typeof import('@opentelemetry/sdk-trace'),
  { root, ratio, isParentBased }: SamplerSettings,
): Sampler {
  const samplers: Readonly<Record<SamplerSettings['root'], () => Sampler>> = {
    always_on: () => new sdk.AlwaysOnSampler(),
    always_off: () => new sdk.AlwaysOffSampler(),
    traceidratio: () => new sdk.TraceIdRatioBasedSampler(ratio),
  };
  const sampler = samplers[root]();
  return isParentBased ? new sdk.ParentBasedSampler({ root: sampler }) : sampler;
}

/** A failed export in a few words. What a collector wrote isn't among them. */
function describe(error: (Error & { readonly code?: unknown }) | undefined): string {
  if (typeof error?.code === 'number') return `the answer was ${error.code}`;
  if (typeof error?.code === 'string') return error.code;
  return 'no good answer in time';
}
