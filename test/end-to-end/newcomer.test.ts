import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertNoToken } from '../support/canary.ts';
import { ROOT, runCli, startCli } from '../support/cli.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

const canStopGently = process.platform !== 'win32';

test('the example file runs on the embedded emulator: no account, no network, no environment', async (t) => {
  const cli = startCli(t, ['start', '--config', 'proxy.example.yaml', '--port', '0', '--json-ready']);
  const ready = await cli.ready<ReadyLine>();
  const [url = ''] = ready.addresses;
  assert.ok(ready.routes.length >= 5);
  assert.ok(ready.routes.every((route) => route.ready));
  assert.ok(new Set(ready.routes.map(({ identity }) => identity)).size >= 2, 'more than one identity');
  const hello = await send(url, '/hello');
  assert.equal(hello.status, 200);
  const { verified } = hello.json<{ verified: Record<string, unknown> }>();
  assert.deepEqual(Object.keys(verified).sort(), ['audience', 'email', 'expiresInSeconds']);
  assert.equal((await send(url, '/nowhere')).status, 404);
  await cli.seen('try');
  for (const { name, upstream, audience = '', identity = '' } of ready.routes) {
    for (const text of [name, upstream, audience, identity])
      assert.ok(cli.output.stderr.includes(text), text);
  }
  assert.ok(cli.output.stderr.includes(ready.adminUrl ?? ''));
  assert.match(cli.output.stderr, /try {4}curl http:\/\/localhost:\d+\/hello/);
  const { code, stdout, stderr } = await cli.stop();
  if (canStopGently) assert.equal(code, 0);
  assert.equal(stdout.trim().split('\n').length, 1, 'one line on stdout');
  assertNoToken('what the program wrote', stdout + stderr);
});

test('Ctrl-C lets a request under way finish, and exits 0', {
  skip: !canStopGently && 'no signals on Windows',
}, async (t) => {
  const cli = startCli(t, ['start', '--config', 'proxy.example.yaml', '--port', '0', '--json-ready']);
  const [url = ''] = (await cli.ready<ReadyLine>()).addresses;
  const slow = send(url, '/slow?ms=500');
  await send(url, '/hello');
  const end = cli.stop('SIGINT');
  assert.equal((await slow).status, 200);
  assert.equal((await end).code, 0);
});

test('services given on the command line need no file', async (t) => {
  const cwd = await createFolder(t);
  const cli = startCli(
    t,
    ['/a=emulator:hello', '/b=emulator:echo', 'shop.localhost=emulator:hello', '--port', '0', '--json-ready'],
    { cwd },
  );
  const ready = await cli.ready<ReadyLine>();
  assert.deepEqual(ready.routes.map(({ name }) => name).sort(), ['/a', '/b', 'shop.localhost']);
  const [url = ''] = ready.addresses;
  assert.equal((await send(url, '/a')).status, 200);
  assert.equal((await send(url, '/any/path', 'GET', { Host: 'shop.localhost:8080' })).status, 200);
  const one = startCli(t, ['emulator:hello', '--port', '0', '--json-ready'], { cwd });
  assert.deepEqual(
    (await one.ready<ReadyLine>()).routes.map(({ name }) => name),
    ['/'],
  );
});

test('a port that is taken is one line that says how to find out by whom, and exit 5', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { code, stderr } = await runCli(t, ['emulator:hello', '--port', String(port)]);
  assert.equal(code, 5);
  assert.match(stderr, new RegExp(`listening on 127\\.0\\.0\\.1:${port}`));
  assert.match(stderr, /--port 0/);
});

test('a mistyped command or flag is met with the right one, and exit 2', async (t) => {
  const cases: [string[], RegExp][] = [
    [['strat'], /"gcp-bearer-proxy start"/],
    [['tokn'], /"gcp-bearer-proxy token"/],
    [['--prot', '8080'], /--port/],
    [['start', '--json-redy'], /--json-ready/],
    [['check', '--jsn'], /--json/],
    [['--port', 'eighty'], /0 to 65535/],
    [['token', '--claims', '--json'], /mutually exclusive|not both|conflict/i],
  ];
  for (const [args, expected] of cases) {
    const { code, stdout, stderr } = await runCli(t, args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, expected);
    assert.equal(stdout, '');
  }
});

test('a missing or wrong configuration is exit 3, with both ways to start', async (t) => {
  const cwd = await createFolder(t);
  const missing = await runCli(t, ['start'], { cwd });
  assert.equal(missing.code, 3);
  assert.match(missing.stderr, /proxy\.yaml/);
  assert.match(missing.stderr, /https:\/\//);
  await writeFile(join(cwd, 'proxy.yaml'), 'routes:\n  - path: /a\n    upstrem: https://a.run.app\n');
  const wrong = await runCli(t, ['start'], { cwd });
  assert.equal(wrong.code, 3);
  assert.match(wrong.stderr, /proxy\.yaml:3:5/);
  assert.match(wrong.stderr, /upstream/);
});

test('R25: nothing starts while certificates are not verified', async (t) => {
  const { code, stderr } = await runCli(t, ['emulator:hello', '--port', '0'], {
    env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
  });
  assert.equal(code, 3);
  assert.match(stderr, /NODE_TLS_REJECT_UNAUTHORIZED/);
});

test('R1: listening beyond loopback has to be asked for by name', async (t) => {
  const { code, stderr } = await runCli(t, ['emulator:hello', '--listen', '0.0.0.0:0']);
  assert.equal(code, 3);
  assert.match(stderr, /allow-unauthenticated-clients/);
});

test('--version and --help say what they should, on stdout', async (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.deepEqual((await runCli(t, ['--version'])).stdout, `${version}\n`);
  const help = await runCli(t, ['--help']);
  assert.equal(help.code, 0);
  for (const word of ['start', 'check', 'token', 'emulate', 'schema', 'https://orders-abc-an.a.run.app']) {
    assert.ok(help.stdout.includes(word), word);
  }
  assert.ok(help.stdout.split('\n').length <= 40, 'fits a screen');
});
