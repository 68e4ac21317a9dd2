import assert from 'node:assert/strict';
import { send } from './stack.ts';

/** Prometheus' text format, read strictly. https://prometheus.io/docs/instrumenting/exposition_formats/ */
export interface Scrape {
  /** Names of the families, with their types. */
  readonly types: ReadonlyMap<string, string>;
  /** Values by what stands before them: `gbp_requests_total{route="/",method="GET",status="2xx"}`. */
  readonly samples: ReadonlyMap<string, number>;
  readonly text: string;
}

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,|(?=\})))*\})? (\S+)$/;

/** Reads a scrape, and throws for whatever Prometheus wouldn't take. */
export function readExposition(text: string): Scrape {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      assert.ok(!types.has(name), `${name} is there once`);
    } else if (kind === 'TYPE') {
      family = name;
      types.set(name, rest);
    } else {
      const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
      const suffixes = types.get(family) === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      assert.ok(
        suffixes.some((suffix) => sample === family + suffix),
        `${sample} stands under ${family}`,
      );
      assert.ok(!samples.has(sample + labels), `${sample}${labels} is there once`);
      samples.set(sample + labels, value.toLowerCase() === 'nan' ? Number.NaN : Number(value));
    }
  }
  return { types, samples, text };
}

/** Asks an admin port for its metrics. */
export async function scrape(admin: string): Promise<Scrape> {
  const reply = await send(admin, '/metrics');
  assert.equal(reply.status, 200);
  assert.equal(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  return readExposition(reply.text);
}
