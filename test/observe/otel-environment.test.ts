import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSpanWish } from '../../src/observe/otel-environment.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };

function settingsOf(env: Readonly<Record<string, string>>) {
  const wish = readSpanWish({ ...ENDPOINT, ...env });
  assert.equal(wish.kind, 'on');
  return wish.kind === 'on' ? wish : assert.fail();
}

test('spans are made where an endpoint is named, and nothing says that there should be none', () => {
  const off = [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' },
    { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' },
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' },
    { OTEL_SERVICE_NAME: 'orders', OTEL_TRACES_EXPORTER: 'otlp' },
  ];
  for (const env of off) assert.equal(readSpanWish(env).kind, 'off', JSON.stringify(env));
  assert.deepEqual(
    settingsOf({ OTEL_SDK_DISABLED: 'false', OTEL_TRACES_EXPORTER: 'console, otlp' }).settings,
    {
      url: 'http://localhost:4318/v1/traces',
      sampler: { root: 'always_on', ratio: 1, isParentBased: true },
      maxQueued: 2_048,
      maxBatch: 512,
      delayMs: 5_000,
      timeoutMs: 10_000,
      maxLength: 2_048,
    },
  );
});

test('the endpoint of traces is taken as it is, that of everything as a base', () => {
  const urlOf = (env: Record<string, string>) => settingsOf(env).settings.url;
  assert.equal(
    urlOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/base/?key=1' }),
    'https://c.example/base/v1/traces?key=1',
  );
  assert.equal(urlOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c.example/x' }), 'https://c.example/x');
});

test('what can’t be done is refused, without a word of what may be a secret', () => {
  const refusedOf = (env: Readonly<Record<string, string>>): string => {
    const wish = readSpanWish({ ...ENDPOINT, ...env });
    return wish.kind === 'refused'
      ? `${wish.complaint.message} ${wish.complaint.hint}`
      : assert.fail(wish.kind);
  };
  assert.match(refusedOf({ OTEL_TRACES_EXPORTER: 'zipkin' }), /OTEL_TRACES_EXPORTER .* otlp/);
  assert.match(refusedOf({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }), /_PROTOCOL .* http\/protobuf, .* 4318/);
  assert.match(refusedOf({ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }), /_TRACES_PROTOCOL /);
  for (const secret of ['localhost:4318', 'ftp://canary@x', 'http://canary:canary', 'canary']) {
    const text = refusedOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: secret });
    assert.match(text, /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no URL/);
    assert.doesNotMatch(text, /canary/);
  }
});

test('the sampler is the one that is named, with its share', () => {
  const samplerOf = (name: string, arg?: string) =>
    settingsOf({ OTEL_TRACES_SAMPLER: name, ...(arg && { OTEL_TRACES_SAMPLER_ARG: arg }) }).settings.sampler;
  assert.deepEqual(samplerOf('always_off'), { root: 'always_off', ratio: 1, isParentBased: false });
  assert.deepEqual(samplerOf('traceidratio', '0.25'), {
    root: 'traceidratio',
    ratio: 0.25,
    isParentBased: false,
  });
  assert.deepEqual(samplerOf('parentbased_traceidratio', '0'), {
    root: 'traceidratio',
    ratio: 0,
    isParentBased: true,
  });
});

test('what isn’t understood is said, and counts as left out', () => {
  const { settings, complaints } = settingsOf({
    OTEL_TRACES_SAMPLER: 'jaeger_remote',
    OTEL_BSP_SCHEDULE_DELAY: 'soon',
    OTEL_BSP_MAX_QUEUE_SIZE: '0',
    OTEL_BSP_EXPORT_TIMEOUT: '700',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1e99',
    OTEL_RESOURCE_ATTRIBUTES: 'a=b,c',
  });
  assert.deepEqual(
    [settings.delayMs, settings.maxQueued, settings.timeoutMs, settings.sampler.root],
    [5_000, 2_048, 700, 'always_on'],
  );
  assert.deepEqual(complaints.map(({ message }) => message.split(' ', 1)[0]).sort(), [
    'OTEL_BSP_MAX_QUEUE_SIZE',
    'OTEL_BSP_SCHEDULE_DELAY',
    'OTEL_EXPORTER_OTLP_TIMEOUT',
    'OTEL_RESOURCE_ATTRIBUTES',
    'OTEL_TRACES_SAMPLER',
  ]);
  for (const share of ['2', '-1', 'all'])
    assert.equal(
      settingsOf({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: share }).complaints.length,
      1,
    );
  for (const list of ['=b', 'a=b=c', 'a=%zz'])
    assert.equal(settingsOf({ OTEL_RESOURCE_ATTRIBUTES: list }).complaints.length, 1, list);
  assert.deepEqual(settingsOf({ OTEL_RESOURCE_ATTRIBUTES: 'a=b%2Cc, d= ,' }).complaints, []);
  assert.equal(settingsOf({ OTEL_BSP_MAX_QUEUE_SIZE: '10' }).settings.maxBatch, 10);
});
