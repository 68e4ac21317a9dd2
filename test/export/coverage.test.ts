import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toJsonSchema } from '../../src/config/schema.ts';
import { COVERAGE, type Fate, type Setting } from '../../src/export/coverage.ts';
import { ROOT } from '../support/cli.ts';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
}

/** Where every setting of a schema is: `routes.timeout.idle`, and `credentials.kind=adc` for what a kind can be. */
function findSettings(schema: Schema, place: string): readonly string[] {
  const { properties = {}, additionalProperties, items, anyOf = [], oneOf = [] } = schema;
  const more = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  const inside = [...more, ...(items ? [items] : []), ...anyOf, ...oneOf];
  return [
    ...inside.flatMap((part) => findSettings(part, place)),
    ...Object.entries(properties).flatMap(([name, part]) => {
      const inner = place === '' ? name : `${place}.${name}`;
      const kinds =
        name === 'kind' ? [part.const, ...(part.enum ?? [])].filter((kind) => kind !== undefined) : [];
      return [inner, ...kinds.map((kind) => `${inner}=${kind}`), ...findSettings(part, inner)];
    }),
  ];
}

test('every setting of a configuration has its fate in Envoy, and no other has one', () => {
  const settings = new Set(findSettings(toJsonSchema() as Schema, ''));
  assert.ok(settings.size > 60 && settings.has('routes.timeout.idle'));
  assert.ok(settings.has('credentials.kind=federated') && settings.has('routes.token.kind=jwt'));
  const told = new Set(Object.keys(COVERAGE).map((setting) => setting.split(':')[0] ?? ''));
  assert.deepEqual(
    [...settings].filter((setting) => !told.has(setting)),
    [],
    'say in src/export/coverage.ts what becomes of these in Envoy, and note them in src/export/note-settings.ts',
  );
  assert.deepEqual(
    [...told].filter((setting) => !settings.has(setting)),
    [],
    'these are no settings any more',
  );
});

test('what is different or left out says so in a sentence', () => {
  for (const setting of Object.keys(COVERAGE) as Setting[]) {
    const fate: Fate = COVERAGE[setting];
    if ('text' in fate) assert.match(fate.text, /^[\p{L}`].{20,}\.$/u, setting);
  }
});

test('whatever is different or left out is told of, by one of the goldens', () => {
  const heads = ['one-service', 'hosts-and-rules', 'left-out']
    .map((name) => readFileSync(join(ROOT, 'test', 'export', `${name}.envoy.yaml`), 'utf8'))
    .flatMap((text) => text.split('\n').filter((line) => line.startsWith('# - ')));
  for (const setting of Object.keys(COVERAGE) as Setting[]) {
    const fate: Fate = COVERAGE[setting];
    if (!('text' in fate)) continue;
    const place = setting.split(':')[0] ?? '';
    const told = heads.some((line) => line.startsWith(`# - ${place}`) && line.endsWith(fate.text));
    assert.ok(told, `${setting} is in no golden's head`);
  }
});
