import { EventEmitter, once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';
import { readBody, startUpstream } from './sockets.ts';

export interface ReceivedSpan {
  readonly name: string;
  readonly kind: 'server' | 'client';
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly isError: boolean;
  readonly problem: string;
  readonly resource: Readonly<Record<string, string | number>>;
}

export interface Collector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  readonly requests: readonly {
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: Buffer;
  }[];
  /** Resolves once there are so many spans. */
  count(spans: number): Promise<readonly ReceivedSpan[]>;
}

/** Receives spans by OTLP over HTTP, and answers with this status. */
export async function startCollector(t: TestContext, status = 200): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  const requests: { path: string; headers: IncomingHttpHeaders; body: Buffer }[] = [];
  const told = new EventEmitter();
  const { origin } = await startUpstream(t, async (request, response) => {
    const body = await readBody(request);
    requests.push({ path: request.url ?? '', headers: request.headers, body });
    spans.push(...decodeSpans(body));
    response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
    told.emit('spans');
  });
  return {
    endpoint: origin,
    spans,
    requests,
    async count(wanted) {
      while (spans.length < wanted) await once(told, 'spans');
      return spans;
    },
  };
}

/** Fields of a protobuf message by number: integers, and all else as bytes. */
type Message = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

/** https://protobuf.dev/programming-guides/encoding/ */
function decode(bytes: Buffer): Message {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error('a message ends too early');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const takeNumber = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const [byte = 0] = take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(takeNumber());
    const readers: Readonly<Record<number, () => bigint | Buffer>> = {
      0: takeNumber,
      1: () => take(8).readBigUInt64LE(),
      2: () => take(Number(takeNumber())),
      5: () => BigInt(take(4).readUInt32LE()),
    };
    const read = readers[key & 7];
    if (read === undefined) throw new Error(`no wire type ${key & 7}`);
    const number = key >> 3;
    fields.set(number, [...(fields.get(number) ?? []), read()]);
  }
  return fields;
}

const messages = (message: Message, field: number): readonly Message[] =>
  (message.get(field) ?? []).map((value) => decode(value as Buffer));

const bytesOf = (message: Message, field: number): Buffer =>
  (message.get(field)?.[0] as Buffer | undefined) ?? Buffer.alloc(0);

const numberOf = (message: Message, field: number): bigint =>
  (message.get(field)?.[0] as bigint | undefined) ?? 0n;

/** https://github.com/open-telemetry/opentelemetry-proto: `ExportTraceServiceRequest`, `Span`, `KeyValue`. */
function decodeSpans(body: Buffer): readonly ReceivedSpan[] {
  return messages(decode(body), 1).flatMap((resourceSpans) => {
    const [resource] = messages(resourceSpans, 1);
    const attributes = resource === undefined ? {} : decodeAttributes(resource, 1);
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => toSpan(span, attributes));
  });
}

function toSpan(span: Message, resource: ReceivedSpan['resource']): ReceivedSpan {
  const [status] = messages(span, 15);
  const kind = numberOf(span, 6);
  if (kind !== 2n && kind !== 3n) throw new Error(`a span of kind ${kind}`);
  return {
    name: bytesOf(span, 5).toString(),
    kind: kind === 2n ? 'server' : 'client',
    traceId: bytesOf(span, 1).toString('hex'),
    spanId: bytesOf(span, 2).toString('hex'),
    parentSpanId: bytesOf(span, 4).toString('hex'),
    startMs: Number(numberOf(span, 7)) / 1e6,
    endMs: Number(numberOf(span, 8)) / 1e6,
    attributes: decodeAttributes(span, 9),
    isError: status !== undefined && numberOf(status, 3) === 2n,
    problem: status === undefined ? '' : bytesOf(status, 2).toString(),
    resource,
  };
}

function decodeAttributes(message: Message, field: number): Record<string, string | number> {
  const pairs = messages(message, field).map((pair) => {
    const [value = new Map()] = messages(pair, 2);
    const shown = value.has(1) ? bytesOf(value, 1).toString() : Number(numberOf(value, 3));
    return [bytesOf(pair, 1).toString(), shown];
  });
  return Object.fromEntries(pairs);
}
