import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCli, startCli } from '../support/cli.ts';
import { closedPort } from '../support/sockets.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

const SECRET = '5up3r-53cr3t-0f-th3-c113nt5-0n1y';
const WIDE = ['emulator:hello', '--listen', '0.0.0.0:0'];

test('R1: the program doesn’t start where other machines could use it, and says what would let it', async (t) => {
  const { code, stdout, stderr } = await runCli(t, WIDE);
  assert.equal(code, 3);
  assert.equal(stdout, '');
  const ways = [
    'clientSecret: env:NAME',
    'GBP_CLIENT_SECRET',
    'openssl rand',
    'clientCa',
    'localhost',
    'allowUnauth',
  ];
  const places = ways.map((way) => stderr.indexOf(way));
  assert.ok(
    places.every((place) => place > 0),
    stderr,
  );
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
    'the secret first',
  );
});

test('R9: a client secret that is none stops the program from starting, and is not shown', async (t) => {
  const short = SECRET.slice(0, 15);
  const { code, stdout, stderr } = await runCli(t, WIDE, { env: { GBP_CLIENT_SECRET: short } });
  assert.equal(code, 3);
  assert.match(
    stderr,
    /in \$GBP_CLIENT_SECRET is too short: it needs 16 characters\.\n.*openssl rand -hex 32/,
  );
  assert.doesNotMatch(stdout + stderr, /5up3r/);
});

test('R1 R9: with GBP_CLIENT_SECRET the program serves other machines, and writes the secret nowhere', async (t) => {
  const env = { GBP_CLIENT_SECRET: SECRET };
  const cli = startCli(t, [...WIDE, '--json-ready'], { env });
  const { addresses } = await cli.ready<ReadyLine>();
  const url = String(addresses[0]).replace('0.0.0.0', '127.0.0.1');
  const stranger = await send(url, '/');
  assert.equal(stranger.status, 401);
  const own = { Authorization: `Bearer ${SECRET}` };
  const known = await send(url, '/', 'GET', own);
  assert.equal(known.status, 200);
  assert.match(known.text, /Hello!/);
  assert.equal((await send(url, `/?key=${SECRET}`, 'GET', own)).status, 200);
  await cli.seen('try');
  assert.match(cli.output.stderr, /curl -H "Proxy-Authorization: Bearer \$GBP_CLIENT_SECRET" http:/);
  const { stdout, stderr } = await cli.stop();
  for (const text of [stdout + stderr, stranger.text, JSON.stringify(stranger.headers)])
    assert.ok(!text.includes(SECRET) && !text.includes('code='), text);
});

async function writeProxy(t: TestContext, port: number) {
  const cwd = await createFolder(t);
  await writeFile(join(cwd, 'knock'), `${SECRET}\n`);
  await writeFile(
    join(cwd, 'proxy.yaml'),
    `listen: [{ address: "localhost:${port}", clientSecret: file:knock }, "localhost:${port === 0 ? 0 : port + 1}"]
gate: { hosts: [proxy.internal] }
routes:
  - { path: /hello, upstream: emulator:hello }
  - { host: shop.localhost, upstream: emulator:hello }
  - { host: shop.localhost, path: /api, upstream: emulator:hello }
`,
  );
  return cwd;
}

test('link prints links that sign in at the running program, each once, which is in no log', async (t) => {
  const port = await closedPort();
  const cwd = await writeProxy(t, port);
  const cli = startCli(
    t,
    ['start', '--json-ready', '--listen', `localhost:${port}`, '--client-secret', 'file:knock'],
    { cwd },
  );
  const { addresses } = await cli.ready<ReadyLine>();
  const url = String(addresses[0]);
  const { code, stdout, stderr } = await runCli(t, ['link', '/hello'], { cwd });
  assert.equal(code, 0);
  assert.match(stderr, /once, within ten minutes/);
  const [link = ''] = stdout.split('\n');
  assert.ok(link.startsWith(`http://localhost:${port}/.gcp-bearer-proxy/sign-in?code=`), link);
  const target = link.slice(link.indexOf('/.gcp'));
  const Host = `localhost:${port}`;
  const signedIn = await send(url, target, 'GET', { Host });
  assert.equal(signedIn.status, 303);
  const [cookie = ''] = String(signedIn.headers['set-cookie']).split(';');
  assert.match(cookie, new RegExp(`^gbp-client-${port}=`));
  assert.equal((await send(url, '/hello', 'GET', { Host, Cookie: cookie })).status, 200);
  assert.equal((await send(url, '/hello', 'GET', { Host })).status, 401);
  assert.equal((await send(url, target, 'GET', { Host })).status, 403);
  const page = await send(url, '/.gcp-bearer-proxy/', 'GET', { Host, Cookie: cookie });
  assert.match(page.text, /<a href="\/hello">\/hello<\/a>/);
  assert.match(
    page.text,
    new RegExp(`<a href="http://shop\\.localhost:${port}/api">.*link shop\\.localhost/api`),
  );
  const { stdout: out, stderr: log } = await cli.stop();
  assert.match(log, /sign-in\?code=…/);
  for (const secret of [target.slice(-30), cookie.slice(-30), SECRET])
    assert.ok(!(out + log).includes(secret) && !page.text.includes(secret));
});
