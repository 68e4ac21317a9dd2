import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const page = (title: string, sentence: string): string => `<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>${title}</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: ${title.slice(4)}</h1>
<h2>${sentence}</h2>
<h2></h2>
</body></html>`;
const forbidden = (path: string): string =>
  page(
    '403 Forbidden',
    `Your client does not have permission to get URL <code>${path}</code> from this server.`,
  );
const unauthorized = (path: string): string =>
  page('401 Unauthorized', `Your client does not have permission to the requested URL <code>${path}</code>.`);

type Lines = readonly (readonly [string, string])[];

async function echo(url: string, headers: Lines): Promise<Lines> {
  const reply = await client.call(url, { headers });
  assert.equal(reply.status, 200, reply.text);
  return (reply.json() as { headers: Lines }).headers;
}

describe('the front end of a private service', () => {
  it('answers 403 with Google’s page to a request without a credential', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const url = client.serviceUrl(emulator, 'hello');
    const reply = await client.call(`${url}/a<b>&"c"?secret=1`);
    assert.equal(reply.status, 403);
    assert.equal(reply.text, forbidden('/a&lt;b&gt;&amp;&quot;c&quot;'));
    assert.equal(reply.headers['content-type'], 'text/html; charset=UTF-8');
    assert.equal(reply.headers.server, 'Google Frontend');
    assert.equal(reply.headers['www-authenticate'], undefined);
    const preflight = await client.call(url, {
      method: 'OPTIONS',
      headers: [['Origin', 'http://localhost:3000']],
    });
    assert.equal(preflight.status, 403, 'a preflight carries no credential');
    const basic = await client.call(url, { headers: [['Authorization', 'Basic dXNlcjpwYXNz']] });
    assert.equal(basic.status, 403);
  });

  it('lets an invoker in with a token for its origin, with or without a trailing slash, or a custom audience', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const url = client.serviceUrl(emulator, 'hello');
    for (const audience of [url, `${url}/`, 'https://hello.example.com']) {
      const token = await client.mintIdToken(emulator, audience);
      const reply = await client.call(url, { headers: [client.bearer(token)] });
      assert.equal(reply.status, 200, audience);
      assert.deepEqual((reply.json() as { verified: { audience: string } }).verified.audience, audience);
    }
  });

  it('lets a person in with an ID token for gcloud’s OAuth client', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const { id_token } = (await client.refreshUser(emulator)).json();
    const headers = [client.bearer(String(id_token))];
    const reply = await client.call(client.serviceUrl(emulator, 'hello'), { headers });
    assert.equal((reply.json() as { verified: { email: string } }).verified.email, 'dev@example.com');
  });

  it('answers 403 to a valid token of somebody who may not invoke it', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const url = client.serviceUrl(emulator, 'hello');
    const token = await client.mintIdToken(emulator, url, { file: emulator.credentials.stranger });
    const reply = await client.call(`${url}/x`, { headers: [client.bearer(token)] });
    assert.deepEqual([reply.status, reply.text], [403, forbidden('/x')]);
  });

  it('answers 401 with Google’s page and challenge to every token that isn’t a valid one for it', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: ['hello', 'echo'] });
    const url = client.serviceUrl(emulator, 'hello');
    const nowMs = clock.now().wallMs;
    const good = await client.mintIdToken(emulator, url, { nowMs });
    const [header = '', claims = '', signature = ''] = good.split('.');
    const payload = client.readToken(good);
    const { kid } = client.readTokenHeader(good);
    const jwks = (await client.call(emulator.google.jwksUrl)).json() as {
      keys: [{ n: string; e: string; kty: string }];
    };
    const publicPem = createPublicKey({ key: jwks.keys[0], format: 'jwk' }).export({
      type: 'spki',
      format: 'pem',
    });
    const hmac = (input: string): string => createHmac('sha256', publicPem).update(input).digest('base64url');
    const ownKey = client.signRs256(emulator.credentials.serviceAccount.private_key);
    const elsewhere = Buffer.from(JSON.stringify({ ...payload, sub: '100000000000000000001x' })).toString(
      'base64url',
    );
    const assertion = { file: emulator.credentials.serviceAccount, nowMs, claims: { aud: url } };

    const bad: Readonly<Record<string, string>> = {
      'not a JWT': 'hello',
      'an access token': await client.mintAccessToken(emulator, 'openid', { nowMs }),
      'for another service': await client.mintIdToken(emulator, client.serviceUrl(emulator, 'echo'), {
        nowMs,
      }),
      'for a path of the service': await client.mintIdToken(emulator, `${url}/x`, { nowMs }),
      'for gcloud, but of a service account': await client.mintIdToken(
        emulator,
        String(emulator.credentials.authorizedUser.client_id),
        { nowMs },
      ),
      'claims changed': `${header}.${elsewhere}.${signature}`,
      'signature cut off': `${header}.${claims}.`,
      'signature removed by Google': `${header}.${claims}.SIGNATURE_REMOVED_BY_GOOGLE`,
      'alg none': client.forge({ alg: 'none', typ: 'JWT' }, payload, () => ''),
      'alg none, with the signature': client.forge({ alg: 'none', typ: 'JWT' }, payload, () => signature),
      'HS256 with the public key': client.forge({ alg: 'HS256', kid, typ: 'JWT' }, payload, hmac),
      'signed by the account, not by Google': client.forge(
        { alg: 'RS256', kid, typ: 'JWT' },
        payload,
        ownKey,
      ),
      'a self-signed assertion': client.signAssertion(assertion),
      'two tokens': `${good} ${good}`,
    };
    for (const [what, token] of Object.entries(bad)) {
      const reply = await client.call(`${url}/a`, { headers: [client.bearer(token)] });
      assert.deepEqual([reply.status, reply.text], [401, unauthorized('/a')], what);
      assert.equal(
        reply.headers['www-authenticate'],
        'Bearer error="invalid_token" error_description="The access token could not be verified"',
      );
    }
    const twice = await client.call(url, { headers: [client.bearer(good), client.bearer(good)] });
    assert.equal(twice.status, 401, 'two Authorization lines');
    assert.equal((await client.call(url, { headers: [client.bearer(good)] })).status, 200);
  });

  it('answers 401 from the second a token ends', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: ['hello'], tokenLifetimeMs: 60_000 });
    const url = client.serviceUrl(emulator, 'hello');
    const token = await client.mintIdToken(emulator, url, { nowMs: clock.now().wallMs });
    await clock.advance(59_999);
    assert.equal((await client.call(url, { headers: [client.bearer(token)] })).status, 200);
    await clock.advance(1);
    assert.equal((await client.call(url, { headers: [client.bearer(token)] })).status, 401);
  });

  it('checks X-Serverless-Authorization alone where both are there, and leaves Authorization to the application', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['echo'] });
    const url = client.serviceUrl(emulator, 'echo');
    const good = await client.mintIdToken(emulator, url);
    const serverless = (value: string): readonly [string, string] => ['X-Serverless-Authorization', value];

    const seen = await echo(url, [['Authorization', 'Bearer my.own.token'], serverless(`Bearer ${good}`)]);
    assert.deepEqual(seen.slice(1, 3), [
      ['Authorization', 'Bearer my.own.token'],
      serverless(`Bearer ${good.split('.').slice(0, 2).join('.')}.SIGNATURE_REMOVED_BY_GOOGLE`),
    ]);
    const bad = await client.call(url, { headers: [client.bearer(good), serverless('Bearer x')] });
    assert.equal(bad.status, 401, 'a good Authorization doesn’t make up for it');
    const empty = await client.call(url, { headers: [client.bearer(good), serverless('')] });
    assert.equal(empty.status, 403);
  });

  it('removes the signature, and the rest of the head goes on as it came', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['echo'] });
    const url = client.serviceUrl(emulator, 'echo');
    const token = await client.mintIdToken(emulator, url);
    const sent: Lines = [
      ['aUtHoRiZaTiOn', `bearer ${token}`],
      ['X-Twice', '1'],
      ['x-twice', '2'],
      ['Cookie', 'a=b'],
    ];
    const seen = await echo(url, sent);
    const unsigned = `bearer ${token.split('.').slice(0, 2).join('.')}.SIGNATURE_REMOVED_BY_GOOGLE`;
    assert.deepEqual(seen.slice(0, 6), [
      ['Host', new URL(url).host],
      ['aUtHoRiZaTiOn', unsigned],
      ...sent.slice(1),
      ['Connection', 'close'],
    ]);
    assert.ok(!JSON.stringify(seen).includes(token.split('.')[2] ?? ''));
  });

  it('tells the application who called, and keeps a trace that has begun', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['echo'] });
    const url = client.serviceUrl(emulator, 'echo');
    const credential = client.bearer(await client.mintIdToken(emulator, url));
    const fresh = new Map(await echo(url, [credential]));
    assert.equal(fresh.get('X-Forwarded-For'), '127.0.0.1');
    assert.equal(fresh.get('X-Forwarded-Proto'), 'http');
    assert.match(String(fresh.get('traceparent')), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.match(String(fresh.get('X-Cloud-Trace-Context')), /^[0-9a-f]{32}\/\d+;o=1$/);

    const trace = '0af7651916cd43dd8448eb211c80319c';
    const begun = new Map(
      await echo(url, [
        credential,
        ['X-Forwarded-For', '10.1.1.1'],
        ['traceparent', `00-${trace}-b7ad6b7169203331-00`],
      ]),
    );
    assert.equal(begun.get('X-Forwarded-For'), '10.1.1.1,127.0.0.1');
    assert.equal(begun.get('X-Cloud-Trace-Context')?.split('/')[0], trace);
  });

  it('answers 404 under a host name that isn’t its own', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['hello'] });
    const url = client.serviceUrl(emulator, 'hello');
    const headers = [client.bearer(await client.mintIdToken(emulator, url))];
    for (const host of ['localhost:8080', '127.0.0.1', 'orders-abc-an.a.run.app']) {
      const reply = await client.call(url, { host, headers });
      assert.equal(reply.status, 404, host);
      assert.match(reply.text, /<h1>Error: Page not found<\/h1>/);
    }
    const { port } = new URL(url);
    assert.equal((await client.call(url, { host: `localhost:${port}`, headers })).status, 200);
  });

  it('asks for the body only after it has let the request in', async (t) => {
    const emulator = await client.startEmulator(t, { services: ['echo'] });
    const url = client.serviceUrl(emulator, 'echo');
    const token = await client.mintIdToken(emulator, url);
    const expecting = (
      authorization: string,
    ): Promise<readonly [continued: boolean, status: number | undefined]> =>
      new Promise((resolve, reject) => {
        let continued = false;
        const headers = { Expect: '100-continue', Authorization: authorization };
        const outgoing = request(url, { method: 'POST', headers, agent: false }, (response) => {
          response.resume().on('end', () => {
            outgoing.destroy();
            resolve([continued, response.statusCode]);
          });
        });
        outgoing.on('error', reject);
        outgoing.on('continue', () => {
          continued = true;
          outgoing.end('hello');
        });
        outgoing.flushHeaders();
      });
    assert.deepEqual(await expecting('Bearer x'), [false, 401]);
    assert.deepEqual(await expecting(`Bearer ${token}`), [true, 200]);
  });
});
