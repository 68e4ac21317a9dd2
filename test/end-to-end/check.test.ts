import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, systemClock } from '../../src/clock.ts';
import { createEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';
import { assertNoToken } from '../support/canary.ts';
import { runCli } from '../support/cli.ts';
import { startGoogleTls } from '../support/google-tls.ts';
import { closedPort, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { createFolder } from '../support/stack.ts';

interface Check {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly hint: string | null;
}

interface Route {
  readonly name: string;
  readonly credential: string | null;
  readonly identity: string | null;
  readonly claims: Readonly<Record<string, unknown>> | null;
  readonly checks: readonly Check[];
}

interface Report {
  readonly ok: boolean;
  readonly source: string | null;
  readonly routes: readonly Route[];
}

interface Setting {
  readonly emulator: Emulator;
  readonly dir: string;
  /** Runs the command on a configuration, in which `<hello>` is a service and `<dir>` the folder of credential files. */
  run(
    config: string,
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** As `run`, with `--json`. */
  check(
    config: string,
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; report: Report; route: Route }>;
}

const KEY = 'credentials: { default: { kind: key-file, path: "<dir>/serviceAccount.json" } }\n';
const STRANGER = 'credentials: { default: { kind: key-file, path: "<dir>/stranger.json" } }\n';
const PERSON = 'credentials: { default: { kind: adc } }\n';
const HELLO = 'routes: [{ path: /hello, upstream: "<hello>" }]\n';

/** R23: the canary looks at everything that any of these runs writes. */
async function prepare(t: TestContext, options: EmulatorOptions = {}): Promise<Setting> {
  const emulator = await createEmulator({ services: ['hello', 'status'], ...options });
  t.after(() => emulator.close());
  const dir = await createFolder(t);
  for (const [name, file] of Object.entries(emulator.credentials)) {
    await writeFile(join(dir, `${name}.json`), JSON.stringify(file));
  }
  const variables: Record<string, string> = { dir: dir.replaceAll('\\', '/') };
  for (const { name, url } of Object.values(emulator.services)) variables[name] = url;
  const run: Setting['run'] = async (config, args = [], env = {}) => {
    const text = config.replace(/<(\w+)>/g, (_, name: string) => variables[name] ?? `no ${name}`);
    await writeFile(join(dir, 'proxy.yaml'), text);
    const result = await runCli(t, ['check', ...args], { cwd: dir, env: { HOME: dir, ...env } });
    const tokens = emulator.mints.map(({ value }) => value);
    assertNoToken('the output of check', result.stdout + result.stderr, tokens);
    return result;
  };
  return {
    emulator,
    dir,
    run,
    async check(config, args = [], env = {}) {
      const { code, stdout, stderr } = await run(config, ['--json', ...args], env);
      assert.equal(stderr, '');
      const report: Report = JSON.parse(stdout);
      assert.equal(report.ok, code === 0);
      const [route] = report.routes;
      assert.ok(route);
      return { code, report, route };
    },
  };
}

function find({ checks }: Route, name: string): Check {
  const check = checks.find((candidate) => candidate.name === name);
  assert.ok(check, `there is no "${name}" among ${checks.map((candidate) => candidate.name)}`);
  return check;
}

function statuses({ checks }: Route): Record<string, string> {
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
}

test('R23: check says that all is well, with who, for whom and how it was found out', async (t) => {
  const { emulator, check } = await prepare(t);
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 0);
  assert.deepEqual(statuses(route), {
    credential: 'ok',
    token: 'ok',
    claims: 'ok',
    dns: 'skipped',
    connection: 'ok',
    'without token': 'ok',
    'with token': 'ok',
    audience: 'ok',
    clock: 'ok',
  });
  assert.equal(route.identity, emulator.accounts.developer);
  assert.equal(route.claims?.aud, emulator.services.hello?.url);
  assert.match(route.credential ?? '', /key file .*serviceAccount\.json \(developer@/);
  assert.match(find(route, 'without token').message, /is private/);
  assert.equal(emulator.requests.token, 1);
});

test('check in words: a line per look, and what to fix in the end, each thing once', async (t) => {
  const { emulator, run } = await prepare(t);
  const { code, stdout, stderr } = await run(`${STRANGER}routes:
  - { path: /a, upstream: "<hello>" }
  - { path: /b, upstream: "<hello>" }
`);
  assert.deepEqual([code, stderr], [1, '']);
  const member = `--member=serviceAccount:${emulator.accounts.stranger}`;
  const command = `gcloud run services add-iam-policy-binding SERVICE --region=REGION ${member} --role=roles/run.invoker`;
  assert.match(stdout, /^The configuration is fine: proxy\.yaml\n/);
  assert.match(
    stdout,
    /\n {2}ok {4}token {10}Has an ID token of stranger@[\s\S]*\n {2}FAIL {2}with token {5}stranger@.* \(403\)\.\n/,
  );
  assert.equal(stdout.split(command).length, 2, 'one command for both routes');
  assert.match(stdout, /\n0 of 2 routes work\.\n\nWhat to fix:\n\n {2}\/a, \/b: stranger@/);
});

test('check names a missing role, with the command that grants it', async (t) => {
  const { emulator, check } = await prepare(t);
  emulator.services.hello?.set({ invokers: [] });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 1);
  const { status, message, hint } = find(route, 'with token');
  assert.equal(status, 'failed');
  assert.match(message, /^developer@.* may not call 127\.0\.0\.1:\d+: roles\/run\.invoker is missing/);
  assert.match(
    hint ?? '',
    /^gcloud run services add-iam-policy-binding .*--member=serviceAccount:developer@/,
  );
  assert.equal(find(route, 'audience').status, 'ok');
});

test('check names a wrong audience, with the right one', async (t) => {
  const host = 'hello-ab12cd34ef-an.a.run.app';
  const { emulator, check } = await prepare(t);
  emulator.services.hello?.set({ hosts: [host] });
  const { env } = await startGoogleTls(t, emulator, { [host]: emulator.services.hello?.url ?? '' });
  const route = (rest: string): string => `routes: [{ path: /hello, upstream: "https://${host}"${rest} }]\n`;

  const wrong = await check(
    `${KEY}${route(', token: { kind: id, audience: "https://other.example" }')}`,
    [],
    env,
  );
  assert.equal(wrong.code, 1);
  const fix = `token: { kind: id, audience: https://${host} }`;
  assert.equal(find(wrong.route, 'with token').hint, fix);
  assert.deepEqual(
    [find(wrong.route, 'audience').status, find(wrong.route, 'audience').hint],
    ['failed', fix],
  );

  const right = await check(`${KEY}${route('')}`, [], env);
  assert.equal(right.code, 0);
  assert.match(
    find(right.route, 'connection').message,
    /^TLSv1\.3 in .* through 127\.0\.0\.1:\d+; certificate by gcp-bearer-proxy test authority, good until 2049-12-31\.$/,
  );
  assert.match(find(right.route, 'dns').message, /forward proxy/);
});

test('check names a custom domain whose service doesn’t know the audience', async (t) => {
  const { emulator, check } = await prepare(t);
  const domain = (emulator.services.hello?.url ?? '').replace('127.0.0.1', 'localhost');
  const { code, route } = await check(`${KEY}routes: [{ path: /hello, upstream: "${domain}" }]\n`);
  assert.equal(code, 1);
  assert.match(find(route, 'with token').message, /is not an audience of the service behind localhost/);
  assert.match(
    find(route, 'with token').hint ?? '',
    new RegExp(`^gcloud run services update .*--add-custom-audiences=${domain}$`),
  );
  assert.equal(find(route, 'audience').status, 'failed');
  emulator.services.hello?.set({ customAudiences: [domain] });
  assert.equal((await check(`${KEY}routes: [{ path: /hello, upstream: "${domain}" }]\n`)).code, 0);
});

test('check names a service that its ingress hides', async (t) => {
  const { emulator, check } = await prepare(t);
  emulator.services.hello?.set({ ingress: 'internal' });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 1);
  assert.match(find(route, 'with token').message, /its ingress is internal.*\(404\)\.$/);
  assert.match(find(route, 'with token').hint ?? '', /--ingress=all/);
});

test('check names a key that was revoked: exit 4, and what the upstream is like is told all the same', async (t) => {
  const { emulator, check } = await prepare(t);
  emulator.faults.set('token', {
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
  });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 4);
  assert.equal(find(route, 'token').status, 'failed');
  assert.match(find(route, 'token').message, /invalid_grant/);
  assert.match(find(route, 'token').hint ?? '', /^gcloud iam service-accounts keys create/);
  assert.match(find(route, 'without token').message, /is private/);
  assert.equal(find(route, 'with token').status, 'skipped');
  assert.deepEqual([route.identity, route.claims], [null, null]);
});

test('check names a key file that isn’t there', async (t) => {
  const { check } = await prepare(t);
  const { code, route } = await check(
    `credentials: { default: { kind: key-file, path: gone.json } }\n${HELLO}`,
  );
  assert.equal(code, 4);
  assert.match(find(route, 'token').message, /gone\.json does not exist/);
});

test('check without any credentials says how to log in', async (t) => {
  const { check, dir } = await prepare(t);
  const env = {
    CLOUDSDK_CONFIG: dir,
    APPDATA: dir,
    METADATA_SERVER_DETECTION: 'none',
    GCE_METADATA_HOST: `127.0.0.1:${await closedPort()}`,
  };
  const { code, route } = await check(`${PERSON}${HELLO}`, [], env);
  assert.equal(code, 4);
  assert.equal(find(route, 'token').hint, 'gcloud auth application-default login');
});

test('check warns of a person’s login, which works at Cloud Run', async (t) => {
  const { emulator, check, dir } = await prepare(t);
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'authorizedUser.json') };
  const { code, route } = await check(`${PERSON}${HELLO}`, [], env);
  assert.equal(code, 0);
  assert.equal(route.identity, emulator.accounts.user);
  const { status, message, hint } = find(route, 'audience');
  assert.equal(status, 'warning');
  assert.match(message, /for the OAuth client they signed in with/);
  assert.match(hint ?? '', /impersonate/);
});

test('check names the OAuth client that Identity-Aware Proxy wants, and the role', async (t) => {
  const { emulator, check, dir } = await prepare(t);
  const clientId = '1234-abcd.apps.googleusercontent.com';
  emulator.services.hello?.set({ iap: { clientId } });
  const wrong = await check(`${KEY}${HELLO}`);
  assert.equal(wrong.code, 1);
  assert.match(find(wrong.route, 'without token').message, /^Identity-Aware Proxy turns it away \(302\)/);
  assert.equal(find(wrong.route, 'with token').hint, `token: { kind: id, audience: ${clientId} }`);
  assert.equal(find(wrong.route, 'audience').status, 'failed');

  const config = `routes: [{ path: /hello, upstream: "<hello>", token: { kind: id, audience: ${clientId} } }]\n`;
  assert.equal((await check(`${KEY}${config}`)).code, 0);
  const stranger = await check(`${STRANGER}${config}`);
  assert.match(
    find(stranger.route, 'with token').hint ?? '',
    /^gcloud iap web add-iam-policy-binding --member=serviceAccount:stranger@.* --role=roles\/iap\.httpsResourceAccessor$/,
  );
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'authorizedUser.json') };
  const person = await check(`${PERSON}${config}`, [], env);
  assert.match(
    find(person.route, 'with token').message,
    /^The ID token of dev@example\.com is for the OAuth client/,
  );
  assert.match(find(person.route, 'with token').hint ?? '', /kind: impersonate/);
});

test('check names a clock that is ten minutes off', async (t) => {
  const { check } = await prepare(t, { clock: offBy(600_000) });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 1);
  const { status, message, hint } = find(route, 'clock');
  assert.deepEqual([status, message], ['failed', 'The clock of this machine is 10 minutes slow.']);
  assert.match(hint ?? '', /network time/);
});

test('check of a clock so fast that Google refuses the key names the clock, not the key', async (t) => {
  const { check } = await prepare(t, { clock: offBy(-600_000) });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 4);
  assert.match(
    find(route, 'token').hint ?? '',
    /^Set this machine's clock: it is 10 min ahead of Google's\.$/,
  );
  assert.equal(find(route, 'clock').message, 'The clock of this machine is 10 minutes fast.');
});

test('check warns of a clock that is a minute off, by Google’s own', async (t) => {
  const { emulator, check } = await prepare(t);
  emulator.faults.set('token', { dateOffsetMs: -60_000 });
  const { code, route } = await check(`${KEY}${HELLO}`);
  assert.equal(code, 0);
  assert.equal(find(route, 'clock').status, 'warning');
  assert.match(find(route, 'clock').message, /^The clock of this machine is (59|60|61) seconds fast\.$/);
});

test('check names upstreams that can’t be reached, each in its way', async (t) => {
  const { emulator, check } = await prepare(t);
  const silent = await startRawUpstream(t, (socket) => socket.end());
  const { report, code } = await check(`${KEY}routes:
  - { path: /dead, upstream: "http://127.0.0.1:${await closedPort()}" }
  - { path: /nowhere, upstream: "https://no-such-service.invalid" }
  - { path: /no-tls, upstream: "${emulator.services.hello?.url.replace('http:', 'https:')}" }
  - { path: /silent, upstream: "${silent.origin}" }
`);
  assert.equal(code, 1);
  const [dead, nowhere, noTls, closed] = report.routes;
  assert.ok(dead && nowhere && noTls && closed);
  assert.match(find(dead, 'connection').message, /refused the connection/);
  assert.match(find(nowhere, 'dns').message, /no-such-service\.invalid/);
  assert.equal(find(nowhere, 'dns').status, 'failed');
  assert.match(find(noTls, 'connection').message, /answers in something other than TLS/);
  assert.equal(find(closed, 'connection').status, 'ok');
  assert.match(find(closed, 'without token').message, /closed the connection/);
  for (const { checks } of report.routes) {
    assert.ok(checks.some(({ status, hint }) => status === 'failed' && hint !== null));
  }
});

test('check names a certificate that this machine doesn’t trust, and sends nothing there', async (t) => {
  const host = 'hello-ab12cd34ef-an.a.run.app';
  const { emulator, check } = await prepare(t);
  const tls = await startGoogleTls(t, emulator, { [host]: emulator.services.hello?.url ?? '' });
  const { code, route } = await check(`${KEY}routes: [{ path: /hello, upstream: "https://${host}" }]\n`, [], {
    HTTPS_PROXY: tls.proxyUrl,
  });
  assert.equal(code, 1);
  assert.match(
    find(route, 'connection').message,
    /certificate by an authority that this machine does not know/,
  );
  assert.match(find(route, 'connection').hint ?? '', /caFile/);
  assert.deepEqual(tls.requests, []);
});

test('check tells a public service, and an application that refuses by itself', async (t) => {
  const { emulator, check } = await prepare(t);
  emulator.services.hello?.set({ invokers: 'everybody' });
  const open = await check(`${KEY}${HELLO}`);
  assert.equal(open.code, 0);
  assert.match(find(open.route, 'without token').message, /answers 200 to anybody: it is public\.$/);

  const { origin } = await startUpstream(t, (_request, response) => {
    response.writeHead(403, { 'Content-Type': 'application/json' }).end('{"secret":"do not show"}');
  });
  const own = await check(`${KEY}routes: [{ path: /own, upstream: "${origin}" }]\n`);
  assert.equal(own.code, 0);
  assert.equal(find(own.route, 'with token').status, 'warning');
  assert.match(find(own.route, 'with token').message, /answered 403 itself: Google let the request in/);
  assert.doesNotMatch(JSON.stringify(own.report), /do not show/);
});

test('check of a route that sends no token says whether it needs one', async (t) => {
  const { check } = await prepare(t);
  const { code, route } = await check('routes: [{ path: /hello, upstream: "<hello>", token: none }]\n');
  assert.equal(code, 1);
  assert.deepEqual(Object.keys(statuses(route)), [
    'credential',
    'dns',
    'connection',
    'without token',
    'clock',
  ]);
  assert.match(find(route, 'without token').message, /is private, and no token was sent/);
  assert.match(find(route, 'without token').hint ?? '', /token: none/);
});

test('check names a token in a header where Cloud Run doesn’t look', async (t) => {
  const { check } = await prepare(t);
  const { code, route } = await check(
    `${KEY}routes: [{ path: /hello, upstream: "<hello>", header: proxy-authorization }]\n`,
  );
  assert.equal(code, 1);
  assert.equal(find(route, 'with token').hint, 'header: auto');
});

test('check takes a configured route by its name, and asks nobody for the others', async (t) => {
  const { emulator, check, run } = await prepare(t);
  const config = `${KEY}routes:
  - { path: /hello, upstream: "<hello>" }
  - { path: /dead, upstream: "http://127.0.0.1:9" }
`;
  const { code, report } = await check(config, ['/hello']);
  assert.equal(code, 0);
  assert.deepEqual(
    report.routes.map(({ name }) => name),
    ['/hello'],
  );
  const mistyped = await run(config, ['/helo']);
  assert.equal(mistyped.code, 2);
  assert.match(mistyped.stderr, /Did you mean \/hello\?/);
  const asked = emulator.requests.token;
  const offline = await check(config, ['--offline']);
  assert.equal(offline.code, 0);
  assert.equal(emulator.requests.token, asked);
});

test('check of an emulated service asks the embedded emulator, and doctor is another name for it', async (t) => {
  const dir = await createFolder(t);
  const { code, stdout } = await runCli(t, ['doctor', '/hello=emulator:hello'], { cwd: dir });
  assert.match(stdout, /with token .*answers 200/);
  assert.match(stdout, /\nThe route works\.\n$/);
  assert.equal(code, 0);
});

/** The clock of an emulator that is ahead of this machine's. */
function offBy(ms: number): Clock {
  return {
    ...systemClock,
    now() {
      const { wallMs, monotonicMs } = systemClock.now();
      return { wallMs: wallMs + ms, monotonicMs };
    },
  };
}
