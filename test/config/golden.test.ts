/**
 * Golden tests for configuration mistakes. Each `bad/NAME.yaml` is a file with something wrong in it, and `bad/NAME.txt`
 * the exact message for it. To add a case no TypeScript is needed: write the .yaml, run
 *
 *     node --test test/config/golden.test.ts        with the environment variable UPDATE_GOLDENS=1
 *
 * read the .txt that it wrote, and commit both. The file is called `proxy.yaml` in every message.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isProxyError } from '../../src/errors.ts';
import { resolveFile } from './resolve-file.ts';

const folder = new URL('bad/', import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -'.yaml'.length));

test('there are at least 30 golden cases, each with its message', () => {
  assert.ok(names.length >= 30, `${names.length} cases in ${fileURLToPath(folder)}`);
});

for (const name of names) {
  test(`bad/${name}.yaml is refused with the message in bad/${name}.txt`, async (t) => {
    const message = await messageFor(t, readFileSync(new URL(`${name}.yaml`, folder)));
    assert.doesNotMatch(
      message,
      /(?<!GBP_CLIENT_)SECRET/,
      'Whatever is secret in these files is called SECRET.',
    );
    const golden = new URL(`${name}.txt`, folder);
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, `${message}\n`);
    assert.equal(`${message}\n`, readFileSync(golden, 'utf8').replaceAll('\r\n', '\n'));
  });
}

async function messageFor(t: Parameters<typeof resolveFile>[0], content: Buffer): Promise<string> {
  try {
    await resolveFile(t, content);
  } catch (error) {
    if (isProxyError(error) && error.code === 'config_invalid') return error.message;
    throw error;
  }
  throw new assert.AssertionError({ message: 'Expected the file to be refused.' });
}
