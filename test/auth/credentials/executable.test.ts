import assert from 'node:assert/strict';
import { access, chmod, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runExecutable } from '../../../src/auth/credentials/executable.ts';
import { parseFederation } from '../../../src/auth/credentials/federation.ts';
import { systemClock } from '../../../src/clock.ts';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { ACCESS, failure, ID, show, useEmulator } from './setting.ts';

const setting = useEmulator();
const { PATH, SystemRoot } = process.env;
const ALLOWED = { GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '1', PATH, SystemRoot };
const TYPE = 'urn:ietf:params:oauth:token-type:id_token';

/** A credential whose token comes from a Node.js program. */
async function program(source: string, more: object = {}, account = setting.google.accounts.runner) {
  const script = await setting.write('program.cjs', source);
  return configure(`"${process.execPath}" "${script}"`, more, account);
}

async function configure(
  command: string,
  more: object = {},
  serviceAccount: string | undefined = setting.google.accounts.runner,
): Promise<CredentialConfig> {
  const file = {
    ...setting.google.credentials.federatedGithub,
    credential_source: { executable: { command, ...more } },
  };
  const path = await setting.write('executable.json', file);
  return { kind: 'federated', from: { kind: 'config-file', path }, serviceAccount };
}

const answer = (fields: object): string =>
  `console.log(${JSON.stringify(JSON.stringify({ version: 1, success: true, token_type: TYPE, ...fields }))})`;

test('a program says who the workload is', async () => {
  const id_token = await setting.google.federation.issueOidcToken();
  const credential = setting.make(await program(answer({ id_token })), { env: ALLOWED });
  for (const request of [ID, ACCESS])
    assert.equal((await credential.mint(request)).identity, setting.google.accounts.runner);
  assert.ok((credential.mintTimeoutMs ?? 0) > 30_000);
});

test('a program is told what for, and for whom', async () => {
  const out = setting.path('env.json');
  const source = `
    const { writeFileSync } = require('node:fs');
    const told = Object.entries(process.env).filter(([name]) => name.startsWith('GOOGLE_EXTERNAL_ACCOUNT_'));
    writeFileSync(${JSON.stringify(out)}, JSON.stringify(Object.fromEntries(told)));
    ${answer({ id_token: 'x' })}`;
  await failure(setting.make(await program(source), { env: ALLOWED }));
  const told = JSON.parse(await readFile(out, 'utf8'));
  assert.deepEqual(told, {
    GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '1',
    GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE: setting.google.credentials.federatedGithub.audience,
    GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL: setting.google.accounts.runner,
    GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE: '0',
    GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: 'urn:ietf:params:oauth:token-type:jwt',
  });
});

test('no program is started unless that was allowed', async () => {
  const out = setting.path('started');
  const source = `require('node:fs').writeFileSync(${JSON.stringify(out)}, '')`;
  const error = await failure(setting.make(await program(source)));
  assert.match(error.message, /: it starts a program, which has to be allowed first\.$/);
  assert.equal(error.hint, 'GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1');
  await assert.rejects(access(out));
});

test('what a program left in its output file is used as long as it is good', async () => {
  const id_token = await setting.google.federation.issueOidcToken();
  const now = Math.floor(Date.now() / 1000);
  const kept = { version: 1, success: true, token_type: TYPE, id_token, expiration_time: now + 600 };
  const output_file = await setting.write('kept.json', kept);
  const config = await program('process.exit(1)', { output_file });
  const credential = setting.make(config, { env: ALLOWED });
  assert.ok(credential.files().includes(output_file));
  assert.equal((await credential.mint(ID)).identity, setting.google.accounts.runner);
  await setting.write('kept.json', { ...kept, expiration_time: now - 1 });
  assert.match((await failure(credential)).message, /failed \(1\)\.$/);
});

test('a program that fails, gives nothing or can’t be started is named, and what it wrote is not shown', async () => {
  const secret = 'canary';
  const sources: readonly (readonly [string, RegExp])[] = [
    [`console.error('${secret}'); process.exit(3)`, /failed \(3\)\.$/],
    [`console.log('${secret}')`, /wrote something else than JSON\.$/],
    [answer({ version: 2, id_token: secret }), /wrote an answer of an unknown version\.$/],
    [answer({ token_type: secret, id_token: secret }), /gave no token\.$/],
    [answer({ id_token: '' }), /gave no token\.$/],
    [answer({ id_token: secret, expiration_time: 1 }), /gave a token that is over\.$/],
    [
      `${answer({ success: false, code: '401', message: 'Caller not authorized.' })}; process.exitCode = 1`,
      /failed: 401 Caller not authorized\.$/,
    ],
  ];
  for (const [source, message] of sources) {
    const error = await failure(setting.make(await program(source), { env: ALLOWED }));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.match(String(error.hint), /^Run it by hand: /);
    assert.ok(!show(error).includes(secret));
  }
  const notExecutable = await setting.write('text.bin', 'canary');
  await chmod(notExecutable, 0o755);
  for (const command of [setting.path('no-such-program'), setting.path('program.cjs'), notExecutable]) {
    const error = await failure(setting.make(await configure(`"${command}" ${secret}`), { env: ALLOWED }));
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /the program [\w.-]+ (does not exist|failed \(\w+\))\.$/);
    assert.ok(!show(error).includes(secret), show(error));
  }
});

test('a program that takes too long is ended: it may be quicker another time', async () => {
  const script = await setting.write('slow.cjs', 'setInterval(() => {}, 1_000)');
  const command = `"${process.execPath}" "${script}"`;
  const federation = parseFederation(
    setting.google.credentials.federatedGithub,
    'wif.json',
    'googleapis.com',
  );
  const running = runExecutable({
    executable: { kind: 'executable', command, timeoutMs: 50, outputFile: undefined },
    federation,
    account: undefined,
    context: { env: ALLOWED, clock: systemClock },
    subject: { request: ID, credential: 'wif.json' },
  });
  await assert.rejects(running, { code: 'token_unavailable', message: /did not end within 0\.05 s\.$/ });
});
