import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type { Credential, TokenRequest } from '../../../src/auth/token-source.ts';
import { assertNoToken } from '../../support/canary.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { AUDIENCE, failure, HOUR_MS, ID, type MakeOptions, show, useEmulator } from './setting.ts';
import { toUnsignedJwt } from './unsigned-jwt.ts';

const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
const BIGQUERY = 'https://www.googleapis.com/auth/bigquery';
const ACCESS: TokenRequest = { kind: 'access', scopes: [CLOUD_PLATFORM] };
const JWT: TokenRequest = { kind: 'jwt', audience: AUDIENCE };
const GCLOUD_CLIENT = '32555940559.apps.googleusercontent.com';

const setting = useEmulator();

const inVariable = (value: string, options: MakeOptions = {}): Credential =>
  setting.make(
    { kind: 'token', from: { kind: 'env', name: 'MY_TOKEN' } },
    { env: { MY_TOKEN: value }, ...options },
  );
const inFile = (path: string, options: MakeOptions = {}): Credential =>
  setting.make({ kind: 'token', from: { kind: 'file', path } }, options);

/** A token that the emulator made for the holder of a key. */
async function issue(request: TokenRequest): Promise<string> {
  const path = await setting.write('issuing-key.json', setting.google.credentials.serviceAccount);
  return (await setting.make({ kind: 'key-file', key: { kind: 'file', path } }).mint(request)).value;
}

const NOW_MS = Date.UTC(2026, 0, 1);
function claims(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const iat = NOW_MS / 1000 - 600;
  return {
    iss: 'https://accounts.google.com',
    aud: AUDIENCE,
    email: 'me@example.com',
    iat,
    exp: iat + 3600,
    ...change,
  };
}

test('an ID token in a variable is used for its audience; its claims say when it ends and whose it is', async () => {
  const value = toUnsignedJwt(claims());
  const token = inVariable(value, { clock: new FakeClock(NOW_MS) });
  assert.deepEqual(await token.mint(ID), {
    value,
    expiresAtMs: NOW_MS + 3_000_000,
    issuedAtMs: NOW_MS - 600_000,
    issuerNowMs: undefined,
    identity: 'me@example.com',
    quotaProject: undefined,
    audience: AUDIENCE,
  });
  assert.equal(token.describe(), 'token in $MY_TOKEN');
  assert.deepEqual(token.files(), []);
});

test('`Bearer` in front and white space around a token do no harm', async () => {
  const value = toUnsignedJwt(claims());
  const clock = new FakeClock(NOW_MS);
  for (const text of [`  ${value}\r\n`, `Bearer ${value}`, `bearer  ${value}\n`, `\uFEFF${value}`]) {
    assert.equal((await inVariable(text, { clock }).mint(ID)).value, value);
    assert.equal((await inFile(await setting.write('spaced', text), { clock }).mint(ID)).value, value);
  }
  const path = setting.path('powershell');
  await writeFile(path, `\uFEFF${value}\r\n`, 'utf16le');
  assert.equal((await inFile(path, { clock }).mint(ID)).value, value);
});

test('a file is read again for each mint, and watched', async () => {
  const clock = new FakeClock(NOW_MS);
  const first = toUnsignedJwt(claims());
  const path = await setting.write('renewed', first);
  const token = inFile(path, { clock });
  assert.deepEqual(token.files(), [path]);
  assert.equal(token.describe(), `token file ${path}`);
  assert.equal((await token.mint(ID)).value, first);
  const second = toUnsignedJwt(claims({ exp: NOW_MS / 1000 + 7200 }));
  await setting.write('renewed', second);
  assert.equal((await token.mint(ID)).value, second);
});

test('a token that is over is never sent: the message says when it ended, the hint where to put a new one', async () => {
  const clock = new FakeClock(NOW_MS);
  const ended = toUnsignedJwt(claims({ exp: NOW_MS / 1000 - 60 }));
  const error = await failure(inVariable(ended, { clock }), ID);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(
    error.message,
    /^Could not get an ID token for \S+ from token in \$MY_TOKEN: the token there ended at 2025-12-31T23:59:00\.000Z\.$/,
  );
  assert.match(error.hint ?? '', /new token in \$MY_TOKEN/);

  const path = await setting.write('ended', ended);
  const fromFile = await failure(inFile(path, { clock }), ID);
  assert.equal(fromFile.hint, `Write a new token into ${path}; it is read again when it changes.`);

  const ending = toUnsignedJwt(claims({ exp: NOW_MS / 1000 + 10 }));
  assert.match(
    (await failure(inVariable(ending, { clock }), ID)).message,
    /ends at 2026-01-01T00:00:10\.000Z\.$/,
  );
});

test('the cache sends a token of unknown age until it ends by this clock, and the next one from its file', async (t) => {
  const clock = new FakeClock(NOW_MS);
  const first = toUnsignedJwt(claims());
  await setting.write('cached', first);
  const cache = createTokenCache({ clock, random: () => 0 });
  t.after(() => cache.close());
  const source = cache.source(inFile(setting.path('cached'), { clock }), ID);
  const held = await source.obtain();
  assert.equal(held.remainingMs(), 3_000_000);
  const second = toUnsignedJwt(claims({ exp: NOW_MS / 1000 + 7200 }));
  await setting.write('cached', second);
  clock.setWall(NOW_MS + 3_000_000);
  assert.equal(source.current(), undefined);
  assert.equal((await source.obtain()).value, second);
});

test('an ID token for another audience is refused, with what to change', async () => {
  const clock = new FakeClock(NOW_MS);
  const other = toUnsignedJwt(claims({ aud: 'https://other.example' }));
  const error = await failure(inVariable(other, { clock }), ID);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /from token in \$MY_TOKEN: the token there is for https:\/\/other\.example\.$/);
  assert.equal(
    error.hint,
    `token: { kind: id, audience: https://other.example } if the upstream takes that, else a token for ${AUDIENCE}`,
  );
  for (const aud of [undefined, [AUDIENCE], 7]) {
    const strange = await failure(inVariable(toUnsignedJwt(claims({ aud })), { clock }), ID);
    assert.match(strange.message, /is for something else\.$/);
  }
});

test('a person’s token for gcloud’s own clients is used for any audience, and says so', async () => {
  const clock = new FakeClock(NOW_MS);
  for (const aud of [
    GCLOUD_CLIENT,
    '764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com',
  ]) {
    const token = inVariable(toUnsignedJwt(claims({ aud })), { clock });
    assert.equal((await token.mint(ID)).audience, aud);
    assert.match((await failure(token, JWT)).message, /is for \S+\.apps\.googleusercontent\.com\.$/);
  }
});

test('a self-signed JWT is used for its audience only', async () => {
  const clock = new FakeClock(NOW_MS);
  const signed = inVariable(toUnsignedJwt(claims({ iss: 'sa@p.iam.gserviceaccount.com' })), { clock });
  const minted = await signed.mint(JWT);
  assert.equal(minted.identity, 'sa@p.iam.gserviceaccount.com');
  assert.match(
    (await failure(signed, { kind: 'jwt', audience: 'https://x.example/*' })).message,
    /a self-signed JWT for https:\/\/x\.example\/\* from token in \$MY_TOKEN: the token there is for https:\/\/orders/,
  );
});

test('a token of the wrong sort is refused, with what to give instead', async () => {
  const clock = new FakeClock(NOW_MS);
  const access = await failure(inVariable(toUnsignedJwt(claims()), { clock }), ACCESS);
  assert.match(access.message, /from token in \$MY_TOKEN: it holds an ID token\.$/);
  assert.match(access.hint ?? '', /token: \{ kind: id \} for the route, .*print-access-token$/);
  const opaque = inVariable('ya29.c.b0Aaekm1JRvz');
  const id = await failure(opaque, ID);
  assert.match(id.message, /: it holds an access token\.$/);
  assert.match(
    id.hint ?? '',
    /token: \{ kind: access \} .*print-identity-token --audiences=https:\/\/orders/,
  );
  const jwt = await failure(opaque, JWT);
  assert.match(jwt.message, /: it holds an access token\.$/);
  assert.match(jwt.hint ?? '', /sign-jwt$/);
});

test('an access token is used with what Google says of it: whose it is, when it ends by Google’s clock', async () => {
  const scopes = [CLOUD_PLATFORM, 'https://www.googleapis.com/auth/userinfo.email'];
  const value = await issue({ kind: 'access', scopes });
  for (const clock of [undefined, new FakeClock(NOW_MS)]) {
    const minted = await inVariable(value, {
      env: { MY_TOKEN: value, GOOGLE_CLOUD_QUOTA_PROJECT: 'billed' },
      ...(clock && { clock }),
    }).mint(ACCESS);
    assert.equal(minted.value, value);
    assert.equal(minted.identity, setting.google.accounts.developer);
    assert.equal(minted.quotaProject, 'billed');
    assert.ok(Math.abs(minted.expiresAtMs - (minted.issuerNowMs ?? 0) - HOUR_MS) < 10_000);
  }
});

test('an access token without the scopes asked for is refused, with those it has', async () => {
  const value = await issue({ kind: 'access', scopes: [`${BIGQUERY}.readonly`] });
  const token = inVariable(value);
  // How far a scope goes within its API, the API knows.
  for (const scopes of [[`${BIGQUERY}.readonly`], [BIGQUERY], ['email'], []])
    assert.equal((await token.mint({ kind: 'access', scopes })).value, value);
  const error = await failure(token, ACCESS);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(
    error.message,
    /from token in \$MY_TOKEN: it is without https:\/\/www\.googleapis\.com\/auth\/cloud-platform\.$/,
  );
  assert.match(error.hint ?? '', /scopes: \[https:\/\/www\.googleapis\.com\/auth\/bigquery\.readonly\]/);
  const wide = inVariable(await issue({ kind: 'access', scopes: [CLOUD_PLATFORM] }));
  assert.ok(await wide.mint({ kind: 'access', scopes: [BIGQUERY, `${BIGQUERY}.readonly`] }));
});

test('an access token that Google doesn’t know is permanent; a Google that can’t be reached is not', async () => {
  const error = await failure(inVariable('ya29.c.canary'), ACCESS);
  assert.equal(error.code, 'credentials_invalid');
  assert.match(error.message, /: Google does not know the token there: it has ended or was revoked\.$/);
  assert.match(error.hint ?? '', /new token in \$MY_TOKEN/);

  const unreachable = await failure(
    inVariable('ya29.c.canary', { endpoints: { apisUrl: 'http://127.0.0.1:9' } }),
    ACCESS,
  );
  assert.equal(unreachable.code, 'token_unavailable');
  assert.match(unreachable.message, /can't be reached/);
});

test('R64: a token info that fails, hangs or is garbage makes no token', async () => {
  const value = await issue(ACCESS);
  const codes = [
    [{ status: 503 }, 'token_unavailable'],
    ['reset', 'token_unavailable'],
    ['garbage', 'credentials_invalid'],
    ['empty', 'credentials_invalid'],
    [{ status: 200, body: { scope: CLOUD_PLATFORM } }, 'credentials_invalid'],
  ] as const;
  for (const [fault, code] of codes) {
    setting.google.faults.set('certs', fault);
    assert.equal((await failure(inVariable(value), ACCESS)).code, code);
  }
  setting.google.faults.set('certs', 'hang');
  assert.equal((await failure(inVariable(value, { timeoutMs: 50 }), ACCESS)).code, 'token_unavailable');
});

test('a variable or file that is missing, empty or no single token is named', async () => {
  const missing = setting.path('no-such-token');
  const cases: [Credential, RegExp, RegExp][] = [
    [
      setting.make({ kind: 'token', from: { kind: 'env', name: 'MY_TOKEN' } }),
      /no token in \$MY_TOKEN: the environment has no such variable\.$/,
      /Set \$MY_TOKEN/,
    ],
    [inVariable(' \n'), /The token in \$MY_TOKEN is empty\.$/, /Set \$MY_TOKEN/],
    [inFile(missing), /no-such-token does not exist\.$/, /Write the token into/],
    [inFile(setting.path('')), /cannot be read\.$/, /Let this user read/],
    [inFile(await setting.write('empty', '')), /The token file \S+ is empty\.$/, /Write the token into/],
    [
      inVariable('ya29.one\nya29.two'),
      /something else than one token\.$/,
      /one token there and nothing else/,
    ],
    [
      inVariable('{"access_token":"ya29.canary"}'),
      /something else than one token\.$/,
      /print-identity-token/,
    ],
    [inVariable('eyJhbGciOiJSUzI1NiJ9.eyJh'), /the token there is damaged\.$/, /new token/],
    [inVariable(toUnsignedJwt({ aud: AUDIENCE })), /does not say when it ends\.$/, /^$/],
  ];
  for (const [credential, message, hint] of cases) {
    const error = await failure(credential, ID);
    assert.equal(error.code, 'credentials_invalid');
    assert.match(error.message, message);
    assert.match(error.hint ?? '', hint);
  }
});

test('R23: no failure lets a given token be seen', async () => {
  const access = await issue(ACCESS);
  const id = await issue(ID);
  const clock = new FakeClock(Date.now() + 2 * HOUR_MS);
  for (const fault of [
    undefined,
    { status: 400, body: { error: 'x', error_description: access } },
    'reset',
  ] as const) {
    if (fault !== undefined) setting.google.faults.set('certs', fault);
    for (const text of [access, id, `${access}x`, `${access} ${id}`, id.slice(0, -400), `{"x":"${id}"}`]) {
      for (const request of [ID, ACCESS, JWT]) {
        const error: unknown = await inVariable(text, { clock })
          .mint(request)
          .catch((thrown: unknown) => thrown);
        if (error instanceof Error) assertNoToken('an error', show(error), [access, id]);
      }
    }
  }
});
