import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { toJsonSchema } from '../../src/config/schema.ts';

const root = new URL('../../', import.meta.url);

test('config/proxy.schema.json is what the code says (npm run generate makes it so)', () => {
  const committed = readFileSync(new URL('config/proxy.schema.json', root), 'utf8').replaceAll('\r\n', '\n');
  assert.equal(committed, `${JSON.stringify(toJsonSchema(), undefined, 2)}\n`);
});

test('the schema is draft-07 and knows its name', () => {
  const schema = toJsonSchema();
  assert.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#');
  assert.equal(schema.$id, 'urn:gcp-bearer-proxy:configuration');
  assert.equal(schema.title, 'gcp-bearer-proxy configuration');
});

test('every setting has a text for editors to show', () => {
  const bare: string[] = [];
  const look = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, part] of Object.entries(value)) look(part, `${path}/${key}`);
    if (!('properties' in value) || typeof value.properties !== 'object' || value.properties === null) return;
    for (const [name, setting] of Object.entries(value.properties)) {
      const isDescribed = typeof setting === 'object' && setting !== null && 'description' in setting;
      if (!isDescribed) bare.push(`${path}/${name}`);
    }
  };
  look(toJsonSchema(), '');
  assert.deepEqual(bare, []);
});
