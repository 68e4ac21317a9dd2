import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Emulator, ServiceName, ServicePolicy } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const CLIENT_ID = '123456789012-iap.apps.googleusercontent.com';

type Line = readonly [name: string, value: string];
const proxyBearer = (token: string): Line => ['Proxy-Authorization', `Bearer ${token}`];

interface Behind {
  readonly emulator: Emulator;
  readonly clock: FakeClock;
  readonly url: string;
  /** An ID token of the developer, for the OAuth client unless told otherwise. */
  idToken(audience?: string, file?: Emulator['credentials']['serviceAccount']): Promise<string>;
  /** A JWT that the developer's key signed, with these claims over the usual ones. */
  selfSigned(claims: Readonly<Record<string, unknown>>): string;
  ask(headers?: readonly Line[], path?: string, method?: string): Promise<client.Reply>;
  set(policy: Partial<ServicePolicy>): void;
}

/** A service behind IAP. */
async function visit(t: TestContext, name: ServiceName): Promise<Behind> {
  const clock = new FakeClock();
  const emulator = await client.startEmulator(t, { clock, services: [name] });
  const service = emulator.services[name];
  assert.ok(service);
  service.set({ iap: { clientId: CLIENT_ID } });
  const { serviceAccount } = emulator.credentials;
  const iss = String(serviceAccount.client_email);
  return {
    emulator,
    clock,
    url: service.url,
    idToken: (audience = CLIENT_ID, file = serviceAccount) =>
      client.mintIdToken(emulator, audience, { file, nowMs: clock.now().wallMs }),
    selfSigned: (claims) =>
      client.signAssertion({
        file: serviceAccount,
        nowMs: clock.now().wallMs,
        claims: { iss, sub: iss, ...claims },
      }),
    ask: (headers = [], path = '/x', method = 'GET') =>
      client.call(`${service.url}${path}`, { headers, method }),
    set: (policy) => service.set(policy),
  };
}

function assertRefused(reply: client.Reply, problem: string, what = problem): void {
  assert.deepEqual([reply.status, reply.text], [401, `Invalid IAP credentials: ${problem}`], what);
  assert.equal(reply.headers['x-goog-iap-generated-response'], 'true');
  assert.equal(reply.headers['content-type'], 'text/html');
}

const WRONG_AUDIENCE = 'Invalid bearer token. Invalid JWT audience.';

describe('Identity-Aware Proxy, without a token', () => {
  it('answers 401 to programs', async (t) => {
    const { ask } = await visit(t, 'hello');
    assertRefused(await ask(), 'empty token');
    assertRefused(await ask([['Accept', 'application/json']]), 'empty token');
    assertRefused(await ask([['Accept', '*/*']], '/x', 'POST'), 'empty token');
    assertRefused(
      await ask([
        ['Accept', '*/*'],
        ['X-Requested-With', 'XMLHttpRequest'],
      ]),
      'empty token',
    );
    assertRefused(await ask([['X-Serverless-Authorization', 'Bearer x']]), 'empty token', 'another header');
  });

  it('sends whoever takes pages to Google’s sign-in', async (t) => {
    const { ask } = await visit(t, 'hello');
    for (const accept of ['*/*', 'text/html,application/xhtml+xml']) {
      const reply = await ask([['Accept', accept]]);
      assert.deepEqual([reply.status, reply.text], [302, 'Invalid IAP credentials: empty token']);
      assert.equal(reply.headers['x-goog-iap-generated-response'], 'true');
      const location = new URL(String(reply.headers.location));
      assert.equal(location.host, 'accounts.google.com');
      assert.equal(location.searchParams.get('client_id'), CLIENT_ID);
    }
  });
});

describe('Identity-Aware Proxy, with an ID token', () => {
  it('lets in whoever has the role with a token for the OAuth client, in either header', async (t) => {
    const { ask, idToken } = await visit(t, 'hello');
    const token = await idToken();
    for (const line of [proxyBearer(token), client.bearer(token)]) {
      const reply = await ask([line]);
      assert.equal(reply.status, 200, reply.text);
      const { email, audience } = reply.json().verified as Record<string, unknown>;
      assert.deepEqual([email, audience], ['developer@emulated-project.iam.gserviceaccount.com', CLIENT_ID]);
      assert.equal(reply.headers['x-goog-iap-generated-response'], undefined);
    }
  });

  it('tells the application who it is, in headers no client can set', async (t) => {
    const { ask, idToken, emulator, clock } = await visit(t, 'echo');
    const reply = await ask([
      proxyBearer(await idToken()),
      client.bearer('the.application.s'),
      ['X-Goog-Authenticated-User-Email', 'accounts.google.com:root@example.com'],
      ['x-goog-iap-jwt-assertion', 'forged'],
    ]);
    const lines = reply.json().headers as [string, string][];
    const seen = new Map(lines.map(([name, value]) => [name.toLowerCase(), value]));
    assert.equal(lines.length, seen.size, 'no line twice');
    const { developer } = emulator.accounts;
    assert.equal(seen.get('x-goog-authenticated-user-email'), `accounts.google.com:${developer}`);
    assert.equal(seen.get('x-goog-authenticated-user-id'), 'accounts.google.com:100000000000000000001');
    const assertion = seen.get('x-goog-iap-jwt-assertion');
    assert.equal(client.readTokenHeader(assertion).alg, 'ES256');
    const iat = clock.now().wallMs / 1000;
    const audience = '/projects/123456789012/locations/us-central1/services/echo';
    assert.deepEqual(client.readToken(assertion), {
      aud: audience,
      azp: audience,
      email: developer,
      exp: iat + 600,
      iat,
      identity_source: 'GOOGLE',
      iss: 'https://cloud.google.com/iap',
      sub: 'accounts.google.com:100000000000000000001',
    });
    assert.equal(seen.has('proxy-authorization'), false);
    assert.equal(seen.get('authorization'), 'Bearer the.application.s');
  });

  it('looks at Authorization where Proxy-Authorization holds no valid token', async (t) => {
    const { ask, idToken } = await visit(t, 'hello');
    const token = await idToken();
    assert.equal((await ask([proxyBearer('nonsense'), client.bearer(token)])).status, 200);
    assertRefused(await ask([proxyBearer('nonsense')]), 'Unable to parse JWT');
    const elsewhere = await idToken('https://else.example');
    assertRefused(await ask([proxyBearer('nonsense'), client.bearer(elsewhere)]), WRONG_AUDIENCE);
  });

  it('answers 401 with its reason to every other token', async (t) => {
    const { ask, idToken, emulator, url } = await visit(t, 'hello');
    const good = await idToken();
    const { id_token: fromGcloud } = (await client.refreshUser(emulator)).json();
    const bad: Readonly<Record<string, readonly [token: string, problem: string]>> = {
      'no JWT': ['opaque', 'Unable to parse JWT'],
      'an access token': ['ya29.c.abc', 'Unable to parse JWT'],
      'a broken signature': [`${good.slice(0, -8)}AAAAAAAA`, 'JWT signature is invalid'],
      'no signature': [`${good.slice(0, good.lastIndexOf('.'))}.`, 'JWT signature is invalid'],
      'the service’s URL as audience': [await idToken(url), WRONG_AUDIENCE],
      'gcloud’s OAuth client': [String(fromGcloud), WRONG_AUDIENCE],
    };
    for (const [what, [token, problem]] of Object.entries(bad)) {
      assertRefused(await ask([proxyBearer(token)]), problem, what);
    }
  });

  it('wants the e-mail address in it', async (t) => {
    const { ask, emulator, clock } = await visit(t, 'hello');
    const access = await client.mintAccessToken(emulator, 'https://www.googleapis.com/auth/cloud-platform', {
      nowMs: clock.now().wallMs,
    });
    const account = `projects/-/serviceAccounts/${emulator.accounts.runner}`;
    const generate = async (includeEmail: boolean): Promise<string> => {
      const body = { audience: CLIENT_ID, includeEmail };
      const address = `${emulator.google.url}/v1/${account}:generateIdToken`;
      return String((await client.post(address, body, [client.bearer(access)])).json().token);
    };
    assertRefused(await ask([proxyBearer(await generate(false))]), "JWT 'email' claim isn't a string");
    assert.equal((await ask([proxyBearer(await generate(true))])).status, 200);
  });

  it('takes no token past its end', async (t) => {
    const { ask, idToken, clock } = await visit(t, 'hello');
    const line = proxyBearer(await idToken());
    await clock.advance(3_599_999);
    assert.equal((await ask([line])).status, 200);
    await clock.advance(1);
    assertRefused(await ask([line]), 'Expired JWT');
  });

  it('answers 403 to whoever lacks the role', async (t) => {
    const { ask, idToken, emulator, set } = await visit(t, 'hello');
    const line = proxyBearer(await idToken(CLIENT_ID, emulator.credentials.stranger));
    const reply = await ask([line]);
    assert.equal(reply.status, 403);
    assert.equal(reply.headers['x-goog-iap-generated-response'], 'true');
    assert.match(reply.text, /You don't have access/);
    set({ invokers: 'everybody' });
    assert.equal((await ask([line])).status, 200, 'everybody with an account');
    assertRefused(await ask(), 'empty token');
  });
});

describe('Identity-Aware Proxy, with a JWT the service account signed', () => {
  it('lets it in for the very URL or everything below one', async (t) => {
    const { ask, selfSigned, url, emulator } = await visit(t, 'hello');
    for (const [aud, path] of [
      [`${url}/*`, '/a/b?c=d'],
      [`${url}/a/*`, '/a/b'],
      [`${url}/a/b`, '/a/b?c=d'],
      [`${url}/`, '/'],
      [url, '/'],
    ] as const) {
      const reply = await ask([proxyBearer(selfSigned({ aud }))], path);
      assert.equal(reply.status, 200, `${aud} for ${path}`);
      assert.equal((reply.json().verified as { email: string }).email, emulator.accounts.developer);
    }
    for (const [aud, path] of [
      [url, '/a'],
      [`${url}/a`, '/a/b'],
      [`${url}/a/*`, '/b'],
      [`${url}0/*`, '/a'],
      ['https://else.example/*', '/a'],
      [CLIENT_ID, '/a'],
      [[`${url}/*`], '/a'],
    ] as const) {
      assertRefused(
        await ask([proxyBearer(selfSigned({ aud }))], path),
        WRONG_AUDIENCE,
        `${aud} for ${path}`,
      );
    }
  });

  it('lets it in where Google signed it for the account: signJwt', async (t) => {
    const { ask, url, emulator, clock } = await visit(t, 'hello');
    const { runner } = emulator.accounts;
    const nowMs = clock.now().wallMs;
    const access = await client.mintAccessToken(emulator, 'https://www.googleapis.com/auth/cloud-platform', {
      nowMs,
    });
    const iat = nowMs / 1000;
    const payload = JSON.stringify({ iss: runner, sub: runner, aud: `${url}/*`, iat, exp: iat + 3600 });
    const address = `${emulator.google.url}/v1/projects/-/serviceAccounts/${runner}:signJwt`;
    const { signedJwt } = (await client.post(address, { payload }, [client.bearer(access)])).json();
    const reply = await ask([proxyBearer(String(signedJwt))]);
    assert.equal((reply.json().verified as { email: string }).email, runner);
  });

  it('refuses one that isn’t the account’s own, or is good for longer than an hour', async (t) => {
    const { ask, selfSigned, url, emulator, clock } = await visit(t, 'hello');
    const aud = `${url}/*`;
    const now = clock.now().wallMs / 1000;
    const { stranger, runner, user } = emulator.accounts;
    const bad: Readonly<
      Record<string, readonly [claims: Readonly<Record<string, unknown>>, problem: string]>
    > = {
      'another account’s name': [{ iss: stranger, sub: stranger }, 'JWT signature is invalid'],
      'an account without this key': [{ iss: runner, sub: runner }, 'JWT signature is invalid'],
      'a person’s name': [{ iss: user, sub: user }, 'JWT signature is invalid'],
      'nobody’s name': [{ iss: 'nobody', sub: 'nobody' }, 'JWT signature is invalid'],
      'Google’s name': [{ iss: 'https://accounts.google.com' }, 'JWT signature is invalid'],
      'somebody else as subject': [{ sub: stranger }, 'JWT signature is invalid'],
      'over an hour': [{ exp: now + 3601 }, 'Expired JWT'],
      'no beginning': [{ iat: undefined }, 'Expired JWT'],
      'a beginning ahead': [{ iat: now + 60, exp: now + 120 }, 'Expired JWT'],
      'its end': [{ iat: now - 60, exp: now }, 'Expired JWT'],
    };
    for (const [what, [claims, problem]] of Object.entries(bad)) {
      assertRefused(await ask([proxyBearer(selfSigned({ aud, ...claims }))]), problem, what);
    }
  });

  it('is for the URL asked for, behind TLS too', async (t) => {
    const { selfSigned, url, set } = await visit(t, 'hello');
    const host = 'hello-abc123-an.a.run.app';
    set({ hosts: [host] });
    const ask = (aud: string): Promise<client.Reply> =>
      client.call(`${url}/x`, { host, headers: [proxyBearer(selfSigned({ aud }))] });
    assert.equal((await ask(`https://${host}/*`)).status, 200);
    assertRefused(await ask(`${url}/*`), WRONG_AUDIENCE);
  });

  it('asks nothing of Cloud Run’s own check, and IAP taken away brings that back', async (t) => {
    const { ask, idToken, url, set } = await visit(t, 'hello');
    const line = client.bearer(await idToken());
    assert.equal((await ask([line])).status, 200);
    set({ iap: undefined });
    const reply = await ask([line]);
    assert.equal(reply.status, 401);
    assert.equal(reply.headers['x-goog-iap-generated-response'], undefined);
    assert.equal((await ask([client.bearer(await idToken(url))])).status, 200);
  });
});
