import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type { Credential, TokenRequest } from '../../../src/auth/token-source.ts';
import { assertNoToken } from '../../support/canary.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { createFakeGcloud, type FakeAnswer, type FakeGcloud } from './fake-gcloud.ts';
import { AUDIENCE, failure, ID, type MakeOptions, show, useEmulator } from './setting.ts';
import { toUnsignedJwt } from './unsigned-jwt.ts';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
const ACCESS: TokenRequest = { kind: 'access', scopes: [CLOUD_PLATFORM] };
const JWT: TokenRequest = { kind: 'jwt', audience: AUDIENCE };
const GCLOUD_CLIENT = '32555940559.apps.googleusercontent.com';
const PERSON = 'me@example.com';
const ROBOT = 'robot@p.iam.gserviceaccount.com';
const NOW_MS = Date.UTC(2026, 0, 1);
const BIGQUERY = 'https://www.googleapis.com/auth/bigquery';
/** What gcloud 528 appends to nearly all its errors. */
const ADVICE = `Please run:\n\n  $ gcloud auth login\n\nto obtain new credentials.\n`;

const setting = useEmulator();
let gcloud: FakeGcloud;
beforeEach(async () => {
  gcloud = await createFakeGcloud(setting.path(''));
});

/** With a Google that isn't said to be emulated: gcloud knows the real one only. */
function make(account?: string, { env = {}, ...options }: MakeOptions = {}): Credential {
  const clock = new FakeClock(NOW_MS);
  const endpoints = { apisUrl: setting.google.google.url };
  return setting.make(
    { kind: 'gcloud', account },
    { env: { ...gcloud.env, ...env }, clock, endpoints, ...options },
  );
}

function toIdToken(aud: string, email: string): string {
  const iat = NOW_MS / 1000;
  return toUnsignedJwt({ iss: 'https://accounts.google.com', aud, email, iat, exp: iat + 3600 });
}

const printing = (when: string, answer: unknown): FakeAnswer => ({
  when,
  stdout: `${JSON.stringify(answer)}\n`,
});
const refusing = (stderr: string, when = ''): FakeAnswer => ({ when, stderr: `${stderr}\n`, code: 1 });
const NOT_FOR_PEOPLE = refusing(
  'ERROR: (gcloud.auth.print-identity-token) Invalid account type for `--audiences`. Requires valid service account.',
  '--audiences',
);

test('a service account in gcloud gets an ID token for the audience, by one run', async () => {
  const value = toIdToken(AUDIENCE, ROBOT);
  await gcloud.answer(printing(`--audiences=${AUDIENCE}`, { id_token: value, access_token: 'ya29.x' }));
  assert.deepEqual(await make().mint(ID), {
    value,
    expiresAtMs: NOW_MS + 3_600_000,
    issuedAtMs: NOW_MS,
    issuerNowMs: undefined,
    identity: ROBOT,
    quotaProject: undefined,
    audience: AUDIENCE,
  });
  const runs = await gcloud.runs();
  assert.deepEqual(
    runs.map(({ args }) => args.join(' ')),
    [`auth print-identity-token --audiences=${AUDIENCE} --format=json`],
  );
});

test('a person in gcloud gets an ID token for gcloud’s own client, by a second run', async () => {
  const value = toIdToken(GCLOUD_CLIENT, PERSON);
  await gcloud.answer(NOT_FOR_PEOPLE, printing('print-identity-token', { id_token: value }));
  const minted = await make().mint(ID);
  assert.deepEqual([minted.value, minted.audience, minted.identity], [value, GCLOUD_CLIENT, PERSON]);
  assert.equal((await gcloud.runs()).length, 2);
});

test('a service account that Google refuses is told from one that has a token for gcloud itself', async () => {
  const refusal = refusing(
    `ERROR: (gcloud.config.config-helper) There was a problem refreshing auth tokens for account ${ROBOT}: ('invalid_grant: Invalid JWT Signature.', {})`,
    'config-helper',
  );
  const leftOver = printing('--audiences', { id_token: toIdToken(GCLOUD_CLIENT, ROBOT) });
  const nothing = refusing(
    'ERROR: (gcloud.auth.print-identity-token) No identity token can be obtained from the current credentials.',
    '--audiences',
  );
  for (const answer of [leftOver, nothing]) {
    await gcloud.answer(answer, refusal);
    const error = await failure(make(), ID);
    assert.match(error.message, /: Google answered gcloud invalid_grant: Invalid JWT Signature\.$/);
    assert.match(error.hint ?? '', /activate-service-account/);
    await gcloud.answer(answer, printing('config-helper', HELPER));
    const passing = await failure(make(), ID);
    assert.equal(passing.code, 'token_unavailable');
    assert.match(passing.message, /: gcloud gave none for this audience\.$/);
    assert.equal((await gcloud.runs()).length, 2);
  }
});

test('the account configured is the one asked for; a person is known by the name', async () => {
  await gcloud.answer(
    printing('--audiences', { id_token: toIdToken(AUDIENCE, ROBOT) }),
    printing('print-identity-token', { id_token: toIdToken(GCLOUD_CLIENT, PERSON) }),
  );
  assert.equal((await make(PERSON).mint(ID)).identity, PERSON);
  assert.equal((await make(ROBOT).mint(ID)).identity, ROBOT);
  assert.deepEqual(
    (await gcloud.runs()).map(({ args }) => args.slice(2).join(' ')),
    [`--account=${PERSON} --format=json`, `--audiences=${AUDIENCE} --account=${ROBOT} --format=json`],
  );
  assert.equal(make(PERSON).describe(), `gcloud's account ${PERSON}`);
  assert.equal(make().describe(), "gcloud's active account");
});

const HELPER = {
  credential: { access_token: 'ya29.a0AfB_by', token_expiry: '2026-01-01T00:59:59Z' },
  configuration: { properties: { core: { account: PERSON, project: 'mine' } } },
};

test('an access token comes with its end, whose it is, and the project gcloud bills', async () => {
  await gcloud.answer(printing('config-helper', HELPER));
  for (const request of [ACCESS, { kind: 'access', scopes: [] } as const]) {
    assert.deepEqual(await make().mint(request), {
      value: 'ya29.a0AfB_by',
      expiresAtMs: NOW_MS + 3_599_000,
      issuedAtMs: undefined,
      issuerNowMs: undefined,
      identity: PERSON,
      quotaProject: undefined,
    });
  }
  assert.deepEqual(
    (await gcloud.runs()).map(({ args }) => args.join(' ')),
    Array(2).fill('config config-helper --force-auth-refresh --format=json'),
  );
  const settings = [
    ['billed', 'billed'],
    ['CURRENT_PROJECT', 'mine'],
    ['CURRENT_PROJECT_WITH_FALLBACK', 'mine'],
    ['LEGACY', undefined],
  ] as const;
  for (const [setting, quotaProject] of settings) {
    const properties = { ...HELPER.configuration.properties, billing: { quota_project: setting } };
    await gcloud.answer(printing('config-helper', { ...HELPER, configuration: { properties } }));
    assert.equal((await make().mint(ACCESS)).quotaProject, quotaProject);
    const env = { GOOGLE_CLOUD_QUOTA_PROJECT: 'chosen' };
    assert.equal((await make(undefined, { env }).mint(ACCESS)).quotaProject, 'chosen');
  }
});

test('other scopes are asked for by name, and Google says when such a token ends', async () => {
  const path = await setting.write('key.json', setting.google.credentials.serviceAccount);
  const key = setting.make({ kind: 'key-file', key: { kind: 'file', path } });
  const request = {
    kind: 'access',
    scopes: [BIGQUERY, 'https://www.googleapis.com/auth/userinfo.email'],
  } as const;
  const { value } = await key.mint(request);
  await gcloud.answer(printing('print-access-token', { token: value }));
  const minted = await make().mint(request);
  assert.equal(minted.value, value);
  assert.equal(minted.identity, setting.google.accounts.developer);
  assert.ok(Math.abs(minted.expiresAtMs - Date.now() - 3_600_000) < 10_000);
  const [run] = await gcloud.runs();
  assert.equal(run?.args[2], `--scopes=${request.scopes.join(',')}`);
});

test('an account whose tokens’ end gcloud doesn’t know is asked about at Google', async () => {
  const path = await setting.write('key.json', setting.google.credentials.serviceAccount);
  const { value } = await setting.make({ kind: 'key-file', key: { kind: 'file', path } }).mint(ACCESS);
  await gcloud.answer(printing('config-helper', { credential: { access_token: value, token_expiry: '' } }));
  assert.ok((await make().mint(ACCESS)).expiresAtMs > Date.now());
});

test('a person’s scopes are those of the login, and the message says so', async () => {
  await gcloud.answer(
    refusing(
      'ERROR: (gcloud.auth.print-access-token) Invalid value for [--scopes]: Invalid scopes value. Please make sure the scopes are from [(…)]',
    ),
  );
  const error = await failure(make(), { kind: 'access', scopes: [BIGQUERY] });
  assert.equal(error.code, 'credentials_invalid');
  assert.equal(
    error.message,
    `Could not get an access token for ${BIGQUERY} from gcloud's active account: people's tokens from gcloud have the scopes they logged in with.`,
  );
  assert.equal(
    error.hint,
    `token: { kind: access, scopes: [${CLOUD_PLATFORM}] }, or { kind: user } after: gcloud auth application-default login --scopes=${CLOUD_PLATFORM},${BIGQUERY}`,
  );
});

test('gcloud signs no JWTs, and is not asked to', async () => {
  await gcloud.answer();
  const error = await failure(make(), JWT);
  assert.match(
    error.message,
    /a self-signed JWT for \S+ from gcloud's active account: only service accounts sign JWTs\.$/,
  );
  assert.match(error.hint ?? '', /kind: impersonate/);
  assert.deepEqual(await gcloud.runs(), []);
});

test('each failure of gcloud is named, with the command that helps', async () => {
  const refresh = 'ERROR: (gcloud.auth.print-identity-token) There was a problem refreshing';
  const login = /^gcloud auth login$/;
  const cases: [stderr: string, code: string, because: RegExp, hint: RegExp][] = [
    [
      'ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.',
      'credentials_invalid',
      /: nobody is logged in to gcloud\.$/,
      login,
    ],
    [
      'ERROR: (gcloud.auth.print-access-token) Your current active account [x@y.com] does not have any valid credentials',
      'credentials_invalid',
      /: gcloud has no login for it\.$/,
      login,
    ],
    [
      `${refresh} your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.`,
      'credentials_invalid',
      /: your organization wants you to log in again\.$/,
      login,
    ],
    [
      `${refresh} your current auth tokens: ('invalid_grant: Token has been expired or revoked.', {'error': 'invalid_grant'})`,
      'credentials_invalid',
      /: Google answered gcloud invalid_grant: Token has been expired or revoked\.$/,
      login,
    ],
    [
      `${refresh} auth tokens for account ${ROBOT}: ('invalid_grant: Invalid grant: account not found', {})`,
      'credentials_invalid',
      /: Google answered gcloud invalid_grant: Invalid grant: account not found\.$/,
      /^gcloud auth activate-service-account --key-file=KEY\.json$/,
    ],
    [
      `${refresh} your current auth tokens: HTTPSConnectionPool(host='oauth2.googleapis.com', port=443): Max retries exceeded with url: /token?token=canary (Caused by NameResolutionError)`,
      'token_unavailable',
      /: gcloud can't reach Google\.$/,
      /^$/,
    ],
    [
      `${refresh} your current auth tokens: canary`,
      'token_unavailable',
      /can't read Google's answer\.$/,
      /print-identity-token$/,
    ],
    [
      `${refresh} your current auth tokens: ('internal_failure: Backend Error', {'error': 'internal_failure'})`,
      'token_unavailable',
      /: Google answered gcloud internal_failure: Backend Error\.$/,
      /^$/,
    ],
    [
      'ERROR: gcloud crashed (JSONDecodeError): Expecting value: line 1 column 1 (char 0)',
      'token_unavailable',
      /: gcloud can't read Google's answer\.$/,
      /^gcloud auth print-identity-token$/,
    ],
    [
      'WARNING: old.\nERROR: (gcloud.auth.print-identity-token) Something ya29.canary-canary\n  new.\nMore.',
      'credentials_invalid',
      /: gcloud failed: Something \[removed\]\.$/,
      /^gcloud auth print-identity-token$/,
    ],
    [
      'sh: python: not found',
      'credentials_invalid',
      /: gcloud failed\.$/,
      /^gcloud auth print-identity-token$/,
    ],
  ];
  for (const [stderr, code, because, hint] of cases) {
    await gcloud.answer(refusing(`${stderr}\n${ADVICE}`));
    const error = await failure(make(), ID);
    assert.equal(error.code, code, stderr);
    assert.match(error.message, because);
    assert.match(error.hint ?? '', hint);
    assert.doesNotMatch(show(error), /canary/);
  }
  await gcloud.answer(refusing(cases[1]?.[0] ?? ''));
  assert.equal((await failure(make(PERSON), ID)).hint, `gcloud auth login ${PERSON}`);
  assert.match((await failure(make(ROBOT), ID)).hint ?? '', /activate-service-account/);
});

test('R64: an answer without a token is permanent, and quotes nothing', async () => {
  for (const stdout of [
    '',
    'canary',
    '[]',
    '{}',
    '{"id_token":"canary","token":7,"credential":{"access_token":""}}',
  ]) {
    await gcloud.answer({ when: '', stdout });
    for (const request of [ID, ACCESS, { kind: 'access', scopes: [BIGQUERY] } as const]) {
      const error = await failure(make(), request);
      assert.equal(error.code, 'credentials_invalid');
      assert.match(error.message, /the answer can't be used, it/);
      assert.doesNotMatch(show(error), /canary/);
    }
  }
});

test('without gcloud the message says where to get it, and what works without it', async () => {
  const folder = setting.path('path');
  await mkdir(join(folder, 'gcloud'), { recursive: true });
  // A folder isn't a program, and one of the working directory isn't trusted.
  for (const PATH of ['', setting.path(''), folder, '.', 'bin']) {
    const error = await failure(make(undefined, { env: { PATH } }), ID);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, /from gcloud's active account: there is no gcloud on the PATH\.$/);
    assert.match(error.hint ?? '', /cloud\.google\.com\/sdk\/docs\/install, or use \{ kind: adc \}/);
  }
});

test('gcloud gets nothing to read, no token, and is told neither to ask, to log nor to act as somebody else', async () => {
  await gcloud.answer(printing('', { id_token: toIdToken(AUDIENCE, ROBOT) }));
  await make().mint(ID);
  await make().mint(ID);
  const runs = await gcloud.runs();
  assert.equal(runs.length, 2);
  for (const { env, stdin, args } of runs) {
    assert.equal(stdin, '');
    assert.equal(env.CLOUDSDK_CORE_DISABLE_PROMPTS, '1');
    assert.equal(env.CLOUDSDK_CORE_DISABLE_FILE_LOGGING, '1');
    assert.equal(env.CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT ?? '', '');
    assertNoToken('what gcloud gets', JSON.stringify([env, args]));
  }
});

test('no shell reads what is asked for', async () => {
  const audience = 'https://x.example/?a=$(exit)&b=`id`;"c\' %PATH% ^| d';
  await gcloud.answer(printing('', { id_token: toIdToken(audience, ROBOT) }));
  if (process.platform === 'win32') {
    const error = await failure(make(), { kind: 'id', audience });
    assert.match(error.message, /the audience has characters that gcloud can't be given\.$/);
    assert.deepEqual(await gcloud.runs(), []);
    return;
  }
  assert.equal((await make().mint({ kind: 'id', audience })).audience, audience);
  assert.equal((await gcloud.runs())[0]?.args[2], `--audiences=${audience}`);
});

test('what no program can be given, gcloud is not given', async () => {
  await gcloud.answer();
  const error = await failure(make('a\0b'), ID);
  assert.match(error.message, /: the audience or the account has characters that gcloud can't be given\.$/);
  assert.deepEqual(await gcloud.runs(), []);
});

test('R64: a gcloud that hangs is killed with all it started, and may work later', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}).resume());
    if (sockets.length === 2) server.emit('both');
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  await gcloud.answer({ when: '', hangAt: address.port });

  const clock = new FakeClock(NOW_MS);
  const credential = make(undefined, { clock });
  const failing = failure(credential, ID);
  await once(server, 'both');
  const closed = sockets.map((socket) => once(socket, 'close'));
  await clock.advance(12_000);
  const error = await failing;
  assert.equal(error.code, 'token_unavailable');
  assert.match(error.message, /: gcloud did not end within 12 s\.$/);
  assert.equal(error.hint, 'gcloud auth print-identity-token');
  await Promise.all(closed);
  // Twice as long, as two runs may be needed.
  assert.ok((credential.mintTimeoutMs ?? 0) > 24_000);
});

test('R59: a thousand requests at once are one run of gcloud', async (t) => {
  await gcloud.answer(printing('--audiences', { id_token: toIdToken(AUDIENCE, ROBOT) }));
  const clock = new FakeClock(NOW_MS);
  const cache = createTokenCache({ clock });
  t.after(() => cache.close());
  const source = cache.source(make(undefined, { clock }), ID);
  const held = await Promise.all(Array.from({ length: 1_000 }, () => source.obtain()));
  assert.equal(new Set(held).size, 1);
  assert.equal((await gcloud.runs()).length, 1);
});

test('a gcloud that writes without end is killed', async () => {
  await gcloud.answer({ when: '', stdout: 'x'.repeat(2_000_000) });
  assert.match((await failure(make(), ID)).message, /gcloud failed: wrote more than a token\.$/);
});

test('a login or another setting is noticed by the file that gcloud writes then', () => {
  assert.deepEqual(make().files(), [join(setting.path('no-gcloud'), 'config_sentinel')]);
});

test('the project is that of the environment, else gcloud’s', async () => {
  await gcloud.answer(printing('get-value core/project', 'of-gcloud'));
  assert.equal(await make().projectId(), 'of-gcloud');
  assert.equal(await make(undefined, { env: { GOOGLE_CLOUD_PROJECT: 'chosen' } }).projectId(), 'chosen');
  await gcloud.answer({ when: '', stdout: '[]' });
  assert.equal(await make().projectId(), undefined);
  assert.equal(await make(undefined, { env: { PATH: '' } }).projectId(), undefined);
});

test('emulated services are never sent gcloud’s tokens: gcloud is not asked', async () => {
  await gcloud.answer();
  const endpoints = setting.endpoints();
  for (const request of [ID, ACCESS, JWT]) {
    const error = await failure(make(undefined, { endpoints }), request);
    assert.match(error.message, /its tokens are for the real Google\.$/);
    assert.match(error.hint ?? '', /kind: adc/);
  }
  assert.deepEqual(await gcloud.runs(), []);
});
