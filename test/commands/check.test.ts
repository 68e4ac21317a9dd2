import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CheckOptions, runCheck } from '../../src/commands/check.ts';
import { createFolder } from '../config/resolve-file.ts';
import { createIo } from './config-io.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function check(
  t: TestContext,
  content: string | undefined,
  options: Partial<CheckOptions> = {},
): Promise<Outcome> {
  const cwd = createFolder(t);
  if (content !== undefined) writeFileSync(join(cwd, 'proxy.yaml'), content);
  const { io, written } = createIo(cwd);
  const code = await runCheck({ json: false, offline: true, positionals: [], ...options }, io);
  return { code, ...written };
}

const GOOD = `credentials:
  runner: { kind: impersonate, account: runner@my-project.iam.gserviceaccount.com }
  vm: { kind: metadata }
routes:
  - path: /orders
    upstream: https://orders-abc123-an.a.run.app/v1
    token: { kind: id, audience: https://orders.example.com }
  - host: shop.localhost
    upstream: emulator:hello
    credentials: runner
  - path: /bigquery
    upstream: https://bigquery.googleapis.com
    token: access
  - path: /docs
    upstream: https://docs.example.com
    token: none
`;

test('check --offline says how a configuration is understood', async (t) => {
  assert.deepEqual(await check(t, GOOD), {
    code: 0,
    stdout: `The configuration is fine: proxy.yaml

  listen  localhost:8080
  admin   127.0.0.1:9901

  /orders         -> https://orders-abc123-an.a.run.app/v1  ID token for https://orders.example.com  as default (application default credentials)
  shop.localhost  -> emulator:hello                         ID token                                 as runner (runner@my-project.iam.gserviceaccount.com, by way of default)
  /bigquery       -> https://bigquery.googleapis.com        access token                             as default (application default credentials)
  /docs           -> https://docs.example.com               no token
`,
    stderr:
      '\nwarning: No route uses the credentials `vm`.\n  Write `credentials: vm` at a route, or take them out.\n',
  });
});

test('check --offline --json says the same to scripts', async (t) => {
  const { code, stdout, stderr } = await check(t, GOOD, { json: true, admin: 'off', listen: ['[::1]:0'] });
  const report = JSON.parse(stdout);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(Object.keys(report).toSorted(), [
    'admin',
    'issues',
    'listen',
    'ok',
    'routes',
    'source',
    'warnings',
  ]);
  assert.deepEqual(
    [report.ok, report.source, report.admin, report.listen],
    [true, 'proxy.yaml', null, ['[::1]:0']],
  );
  assert.deepEqual(report.routes[1], {
    name: 'shop.localhost',
    host: 'shop.localhost',
    path: '/',
    upstream: 'emulator:hello',
    credentials: 'runner',
    credentialKind: 'impersonate',
    token: { kind: 'id' },
    credential: null,
    identity: null,
    claims: null,
    checks: [],
  });
  assert.equal(report.warnings[0].message, 'No route uses the credentials `vm`.');
});

const BAD = 'routes:\n  - path: orders\n    upsteam: https://orders-abc123-an.a.run.app\n';

test('check shows every mistake and gives 3', async (t) => {
  const { code, stdout, stderr } = await check(t, BAD);
  assert.deepEqual([code, stdout], [3, '']);
  assert.match(
    stderr,
    /^The configuration has 2 mistakes:\n\nproxy\.yaml:2:11: .*\n[\s\S]*\n\nproxy\.yaml:3:5: /,
  );
});

test('check --json gives every mistake with its place', async (t) => {
  const { code, stdout, stderr } = await check(t, BAD, { json: true, port: 99_999 });
  assert.deepEqual([code, stderr], [3, '']);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.ok, report.source, report.routes, report.warnings], [false, 'proxy.yaml', [], []]);
  assert.deepEqual(report.issues, [
    {
      file: 'proxy.yaml',
      line: 2,
      column: 11,
      message: 'The path "orders" has to start with a slash.',
      hint: 'Write `/orders`.',
    },
    {
      file: 'proxy.yaml',
      line: 3,
      column: 5,
      message: 'There is no setting "upsteam" here.',
      hint: 'Did you mean `upstream`? There are: path, host, upstream, stripPath, credentials, token, methods, readOnly, paths, limits, header, timeout, headers, protocol, localize, origin, forwarded, retry.',
    },
    {
      file: '--port',
      line: null,
      column: null,
      message: '"99999" is not a port: those are whole numbers from 0 (any free port) to 65535.',
      hint: null,
    },
  ]);
});

test('check without a configuration says so, as JSON too', async (t) => {
  await assert.rejects(check(t, undefined), { code: 'config_not_found' });
  const { code, stdout } = await check(t, undefined, { json: true });
  const report = JSON.parse(stdout);
  assert.deepEqual([code, report.ok, report.source], [3, false, null]);
  assert.match(report.issues[0].message, /^There is no proxy\.yaml/);
});

test('check judges routes of the command line', async (t) => {
  const { code, stdout } = await check(t, undefined, { positionals: ['/orders=https://a.run.app'] });
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^The configuration is fine: command line\n[\s\S]*\/orders {2}-> https:\/\/a\.run\.app {2}ID token/,
  );
});

test('check with routes and --config is a mistake in usage', async (t) => {
  const options = { positionals: ['https://a.run.app'], config: 'proxy.yaml', json: true };
  await assert.rejects(check(t, GOOD, options), { code: 'usage' });
});

test('check of a name that no route has is a mistake in usage, and so is a mix of names and new routes', async (t) => {
  await assert.rejects(check(t, GOOD, { positionals: ['/order'] }), {
    code: 'usage',
    hint: 'Did you mean /orders?',
  });
  await assert.rejects(check(t, GOOD, { positionals: ['/nothing-like-it'] }), {
    code: 'usage',
    hint: 'Routes: /orders, shop.localhost, /bigquery, /docs',
  });
  const mix = ['/orders', '/users=https://b.run.app'];
  await assert.rejects(check(t, GOOD, { positionals: mix }), { code: 'usage' });
});

test('check --offline of some routes shows these', async (t) => {
  const { stdout } = await check(t, GOOD, { positionals: ['shop.localhost', '/docs'], json: true });
  const names = JSON.parse(stdout).routes.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['shop.localhost', '/docs']);
});

/** Makes escape sequences visible. */
function showEscapes(text: string): string {
  return text.replaceAll('\u001b', '<ESC>').replaceAll('\r', '<CR>');
}

test('check on a terminal shows what it is about to do, in colours, and takes that away again', async (t) => {
  const { io, written } = createIo(createFolder(t));
  const stdout = Object.assign(io.stdout, { isTTY: true });
  const options = { json: false, offline: false, positionals: ['/hello=emulator:hello'] };
  const code = await runCheck(options, { ...io, stdout, terminal: true, colour: true });
  assert.equal(code, 0);
  const shown = showEscapes(written.stdout);
  assert.match(shown, /<ESC>\[2m\.{3} {3}with token<ESC>\[22m<CR><ESC>\[K {2}<ESC>\[32mok {2}<ESC>\[39m/);
  assert.match(shown, /<ESC>\[32mThe route works\./);
});

test('check into a file is without colours, though a terminal takes the rest', async (t) => {
  const { io, written } = createIo(createFolder(t));
  const options = { json: false, offline: false, positionals: ['/hello=emulator:hello'] };
  assert.equal(await runCheck(options, { ...io, terminal: true, colour: true }), 0);
  assert.doesNotMatch(showEscapes(written.stdout), /<ESC>|<CR>/);
});
