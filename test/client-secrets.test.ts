import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readClientSecret } from '../src/client-secrets.ts';
import { isProxyError } from '../src/errors.ts';
import { createFolder } from './support/stack.ts';

const SECRET = '5up3r-53cr3t-0f-th3-c113nt5-0n1y';

for (const [what, value, reason] of [
  ['not there', undefined, 'is not there: the environment has no such variable.'],
  ['nothing', '', 'is empty.'],
  ['white space', ' \n', 'is empty.'],
  ['too short', SECRET.slice(0, 15), 'is too short: it needs 16 characters.'],
  ['too long', SECRET.repeat(33), 'is longer than 1024 characters.'],
  ['more than a word', `${SECRET} x`, "can't be sent in a header"],
  ['more than a line', `${SECRET}\nx`, "can't be sent in a header"],
  ['not ASCII', `${SECRET}é`, "can't be sent in a header"],
] as const) {
  test(`R9: a client secret that is ${what} is refused, never shown`, async () => {
    await assert.rejects(
      readClientSecret({ kind: 'env', name: 'KNOCK' }, { KNOCK: value }),
      (error: unknown) => {
        assert.ok(isProxyError(error));
        assert.equal(error.code, 'config_invalid');
        assert.equal(error.exitCode, 3);
        assert.ok(error.message.startsWith(`The client secret in $KNOCK ${reason}`), error.message);
        assert.match(error.hint ?? '', /openssl rand -hex 32/);
        assert.doesNotMatch(error.message + error.stack, /5up3r/);
        return true;
      },
    );
  });
}

test('a client secret is what stands in its place, without the white space around it', async (t) => {
  assert.equal(await readClientSecret({ kind: 'env', name: 'KNOCK' }, { KNOCK: SECRET }), SECRET);
  const path = join(await createFolder(t), 'knock');
  await assert.rejects(readClientSecret({ kind: 'file', path }, {}), {
    message: new RegExp(`file ${path} can't be read \\(ENOENT\\)`),
  });
  await writeFile(path, `  ${SECRET}\r\n`);
  assert.equal(await readClientSecret({ kind: 'file', path }, {}), SECRET);
});
