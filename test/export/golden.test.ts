import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDocument } from 'yaml';
import { runExport } from '../../src/commands/export.ts';
import { createIo } from '../commands/config-io.ts';
import { ROOT } from '../support/cli.ts';

/*
 * Configurations and what is written for Envoy, head and all. After a change that is meant:
 *     node --test test/export/golden.test.ts        with the environment variable UPDATE_GOLDENS=1
 * and then `npm run test:foreign`, where a real Envoy reads the examples.
 */

const FOLDER = join(ROOT, 'test', 'export');
const SECRET = 'a-secret-of-thirty-two-characters';

for (const name of ['one-service', 'hosts-and-rules', 'left-out']) {
  test(`the export of ${name}.yaml is what it was, and YAML for what --json writes`, async () => {
    const [yaml, json] = await Promise.all([exportFile(name, false), exportFile(name, true)]);
    const golden = join(FOLDER, `${name}.envoy.yaml`);
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, yaml.stdout);
    assert.equal(yaml.stdout, readFileSync(golden, 'utf8'));
    const document = parseDocument(yaml.stdout);
    assert.deepEqual(document.errors, []);
    assert.deepEqual(document.toJS({ maxAliasCount: -1 }), JSON.parse(json.stdout));
    assert.equal(yaml.stderr, json.stderr);
    assert.ok(!`${yaml.stdout}${yaml.stderr}`.includes(SECRET));
    // What is said is in the file, too.
    for (const line of yaml.stderr.trimEnd().split('\n')) {
      if (!line.startsWith('Warning')) assert.ok(yaml.stdout.includes(line.replace(/^[^:]+: /, '')), line);
    }
  });
}

async function exportFile(name: string, json: boolean): Promise<{ stdout: string; stderr: string }> {
  const { io, written } = createIo(FOLDER, { PROXY_SECRET: SECRET });
  const rest = {
    positionals: [],
    strict: false,
    metadataAddress: undefined,
    caBundle: undefined,
    output: undefined,
  };
  const code = await runExport({ flags: { config: `${name}.yaml` }, json, ...rest }, io);
  assert.equal(code, 0);
  return {
    // Other folders, other full names.
    stdout: written.stdout.replaceAll(FOLDER, '/etc/proxy'),
    stderr: written.stderr.replaceAll(FOLDER, '/etc/proxy'),
  };
}
