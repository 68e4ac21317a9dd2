/** What OpenTelemetry's variables say of traces, as far as its libraries don't read them themselves. */
export interface SpanSettings {
  /** Where spans go: an `http:` or `https:` URL. Its user and path may be secrets. */
  readonly url: string;
  readonly sampler: SamplerSettings;
  /** Spans that wait to be sent; what comes when there are so many is dropped. */
  readonly maxQueued: number;
  /** Spans sent at once. */
  readonly maxBatch: number;
  /** Between two batches that aren't full. */
  readonly delayMs: number;
  /** What sending one batch may take, repetitions included. */
  readonly timeoutMs: number;
  /** Characters of one attribute. */
  readonly maxLength: number;
}

export interface SamplerSettings {
  /** What is decided where the caller hasn't. */
  readonly root: 'always_on' | 'always_off' | 'traceidratio';
  readonly ratio: number;
  /** Whether what the caller decided counts first. */
  readonly isParentBased: boolean;
}

/** `off`: nobody wants spans. `refused`: somebody does, but this way there are none. */
export type SpanWish =
  | { readonly kind: 'off' }
  | { readonly kind: 'refused'; readonly complaint: Complaint }
  | { readonly kind: 'on'; readonly settings: SpanSettings; readonly complaints: readonly Complaint[] };

/** What is wrong with a variable. Quotes none that may hold a secret. */
export interface Complaint {
  readonly message: string;
  readonly hint: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const TRACES_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';

/**
 * Reads them. A number or a sampler that isn't one is complained of, and counts as left out, as the specification has it.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
export function readSpanWish(env: Env): SpanWish {
  const name = [TRACES_ENDPOINT, ENDPOINT].find((one) => textOf(env, one) !== undefined);
  if (name === undefined || textOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true')
    return { kind: 'off' };
  const exporters = (textOf(env, 'OTEL_TRACES_EXPORTER') ?? 'otlp').split(',').map((one) => one.trim());
  if (exporters.includes('none')) return { kind: 'off' };
  if (!exporters.includes('otlp')) {
    return refuse('OTEL_TRACES_EXPORTER names none that is known here.', 'Leave it out, or set it to otlp.');
  }
  const protocolName = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'].find(
    (one) => textOf(env, one) !== undefined,
  );
  if (protocolName !== undefined && textOf(env, protocolName) !== 'http/protobuf') {
    return refuse(
      `${protocolName} asks for another protocol than http/protobuf, which is all that is spoken here.`,
      'Set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf, and the endpoint to where it is spoken: port 4318 of a collector.',
    );
  }
  const url = toUrl(textOf(env, name) ?? '', name === ENDPOINT);
  if (url === undefined) {
    return refuse(`${name} is no URL of http or https.`, 'It looks like http://localhost:4318.');
  }
  const complaints: Complaint[] = [];
  const read = (variable: string, least: number): number | undefined =>
    readNumber(env, variable, least, complaints);
  const timeouts = [
    read('OTEL_BSP_EXPORT_TIMEOUT', 1) ?? 30_000,
    read('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 1) ?? read('OTEL_EXPORTER_OTLP_TIMEOUT', 1) ?? 10_000,
  ];
  if (!isAttributeList(textOf(env, 'OTEL_RESOURCE_ATTRIBUTES') ?? '')) {
    complaints.push({
      message: 'OTEL_RESOURCE_ATTRIBUTES is no list of attributes, and counts as left out.',
      hint: 'It looks like deployment.environment.name=production,team=orders; in values "," and "=" are written %2C and %3D.',
    });
  }
  const maxQueued = read('OTEL_BSP_MAX_QUEUE_SIZE', 1) ?? 2_048;
  const settings: SpanSettings = {
    url,
    sampler: readSampler(env, complaints),
    maxQueued,
    maxBatch: Math.min(read('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 1) ?? 512, maxQueued),
    delayMs: read('OTEL_BSP_SCHEDULE_DELAY', 0) ?? 5_000,
    timeoutMs: Math.min(...timeouts),
    maxLength:
      read('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 0) ??
      read('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', 0) ??
      MAX_LENGTH,
  };
  return { kind: 'on', settings, complaints };
}

/** Longer paths are cut: by themselves they may be as long as a head, and thousands of spans wait at once. */
const MAX_LENGTH = 2_048;

const ROOTS = ['always_on', 'always_off', 'traceidratio'] as const;

function readSampler(env: Env, complaints: Complaint[]): SamplerSettings {
  const name = textOf(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_always_on';
  const isParentBased = name.startsWith('parentbased_');
  const root = ROOTS.find((one) => one === (isParentBased ? name.slice('parentbased_'.length) : name));
  if (root === undefined) {
    const known = [...ROOTS, ...ROOTS.map((one) => `parentbased_${one}`)];
    complaints.push({
      message: 'OTEL_TRACES_SAMPLER names none that is known here; parentbased_always_on is taken.',
      hint: `There are: ${known.join(', ')}.`,
    });
    return { root: 'always_on', ratio: 1, isParentBased: true };
  }
  const text = root === 'traceidratio' ? textOf(env, 'OTEL_TRACES_SAMPLER_ARG') : undefined;
  const ratio = text === undefined ? 1 : Number(text);
  if (ratio >= 0 && ratio <= 1) return { root, ratio, isParentBased };
  complaints.push({
    message: 'OTEL_TRACES_SAMPLER_ARG is no share of the traces; 1 is taken.',
    hint: 'It is a number from 0 to 1, such as 0.1.',
  });
  return { root, ratio: 1, isParentBased };
}

/** What `setTimeout` takes; more than any count needs to be. */
const MAX_NUMBER = 2_147_483_647;

function readNumber(env: Env, name: string, least: number, complaints: Complaint[]): number | undefined {
  const text = textOf(env, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= MAX_NUMBER) return value;
  complaints.push({
    message: `${name} is no whole number from ${least} on, and counts as left out.`,
    hint: 'Times are in milliseconds.',
  });
  return undefined;
}

/** As OpenTelemetry's library reads it, which drops the whole of what it doesn't understand, and says nothing. */
function isAttributeList(text: string): boolean {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '');
  return pairs.every((pair) => /^\s*[^=\s][^=]*=[^=]*$/.test(pair) && isPercentEncoded(pair));
}

function isPercentEncoded(text: string): boolean {
  try {
    return decodeURIComponent(text) !== '';
  } catch {
    return false;
  }
}

/** The URL for traces; the base of all signals has their path put behind its own. */
function toUrl(text: string, isBase: boolean): string | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (isBase) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  return url.href;
}

/** As the specification has it, an empty variable is none. */
function textOf(env: Env, name: string): string | undefined {
  const text = env[name]?.trim();
  return text === '' ? undefined : text;
}

function refuse(message: string, hint: string): SpanWish {
  return { kind: 'refused', complaint: { message, hint } };
}
