import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNoToken } from '../support/canary.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

const canSignal = process.platform !== 'win32';
const NODE = process.execPath;

/** Says what it finds in its environment and at a URL, and ends with a code of its own. */
const LOOK = `
const { GBP_URL_HELLO: url } = process.env;
fetch(url).then(async (response) => {
  console.log(JSON.stringify({ env: process.env, status: response.status, body: await response.json() }));
  process.exitCode = 7;
});`;

interface Look {
  readonly env: Readonly<Record<string, string>>;
  readonly status: number;
  readonly body: { readonly verified: { readonly email: string } };
}

test('exec gives a command a ready proxy, ends with its code, and leaves nothing behind', async (t) => {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, '.env'), 'FOR_THE_PROXY=alone\n');
  const secret = 'a-secret-of-32-characters-or-so!';
  const flags = ['--env', 'ORDERS_URL=/orders/v1', '--check-upstreams', '--dotenv', '.env'];
  const routes = ['/hello=emulator:hello', '/orders=emulator:echo'];
  const { code, stdout, stderr } = await runCli(t, ['exec', ...routes, ...flags, '--', NODE, '-e', LOOK], {
    cwd,
    env: { MINE: secret },
  });
  assert.equal(code, 7, stderr);
  assert.equal(stderr, '', 'no banner, no log');
  const { env, status, body } = JSON.parse(stdout) as Look;
  assert.equal(status, 200);
  assert.equal(body.verified.email, 'developer@emulated-project.iam.gserviceaccount.com');
  const { GBP_URL = '', GBP_URL_HELLO, GBP_URL_ORDERS, ORDERS_URL, GBP_ADMIN, ...rest } = env;
  assert.match(GBP_URL, /^http:\/\/localhost:\d+$/);
  assert.equal(GBP_ADMIN, '127.0.0.1:0', 'the user’s own stay');
  assert.deepEqual(
    [GBP_URL_HELLO, GBP_URL_ORDERS, ORDERS_URL],
    [`${GBP_URL}/hello`, `${GBP_URL}/orders`, `${GBP_URL}/orders/v1`],
  );
  assert.equal(rest.MINE, secret);
  assert.deepEqual(
    Object.keys(rest).filter((name) => name.startsWith('GBP_') || name === 'FOR_THE_PROXY'),
    [],
    'nothing else is added',
  );
  assertNoToken('the command’s environment', JSON.stringify(env));
  await assert.rejects(send(GBP_URL, '/hello'), { code: 'ECONNREFUSED' });
});

test('exec passes signals on, each of them, and ends as the command does', {
  skip: !canSignal && 'no signals on Windows',
}, async (t) => {
  const script = `
const { writeSync } = require('node:fs');
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'])
  process.on(signal, () => { writeSync(2, signal + '\\n'); if (signal === 'SIGTERM') process.exit(3); });
setInterval(() => {}, 1000);
writeSync(2, 'up\\n');`;
  const cli = startCli(t, ['exec', 'emulator:hello', '--', NODE, '-e', script]);
  await cli.seen('up\n');
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    cli.child.kill(signal);
    await cli.seen(`${signal}\n`);
  }
  assert.equal((await cli.ended).code, 3);
});

test('integration tests without any cloud: exec with emulate and local, on the file of production', async (t) => {
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    response.end('"mine"');
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const cwd = await createFolder(t);
  await writeFile(
    join(cwd, 'proxy.yaml'),
    `listen: { address: localhost:8080, clientSecret: env:KNOCK }
admin: 127.0.0.1:9901
credentials: { default: { kind: key-file, key: env:NO_SUCH_KEY } }
routes:
  - { path: /orders, upstream: 'https://orders-abc-an.a.run.app' }
  - { path: /users, upstream: 'https://users-abc-an.a.run.app' }
`,
  );
  const script = `
const headers = { 'Proxy-Authorization': 'Bearer ' + process.env.KNOCK };
const { GBP_URL_ORDERS, GBP_URL_USERS } = process.env;
(async () => {
  const statuses = [(await fetch(GBP_URL_USERS)).status];
  for (const url of [GBP_URL_ORDERS, GBP_URL_USERS]) statuses.push((await fetch(url, { headers })).status);
  console.log(statuses.join());
})();`;
  const flags = ['--emulate', '--local', `/orders=http://localhost:${port}`];
  const { code, stdout, stderr } = await runCli(t, ['exec', ...flags, '--', NODE, '-e', script], {
    cwd,
    env: { KNOCK: 'a-secret-of-32-characters-or-so!' },
  });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, '401,200,200\n', 'the listener’s secret is asked for as ever');
  assert.match(authorizations[0] ?? '', /^Bearer \S+\.SIGNATURE_REMOVED_BY_GOOGLE$/);
  assert.ok(!stderr.includes('client secret'), 'the command has it');
});

test('the port file is written once the proxy is ready, and goes with it', async (t) => {
  const cwd = await createFolder(t);
  const cli = startCli(t, ['emulator:hello', '--port', '0', '--json-ready', '--port-file', 'port'], { cwd });
  const { addresses } = await cli.ready<ReadyLine>();
  const port = await readFile(join(cwd, 'port'), 'utf8');
  assert.match(addresses[0] ?? '', new RegExp(`:${port.trim()}$`));
  await cli.stop();
  if (canSignal) assert.equal(existsSync(join(cwd, 'port')), false);
});
