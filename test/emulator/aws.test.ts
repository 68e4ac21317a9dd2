import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { FakeClock } from '../support/fake-clock.ts';
import * as client from './client.ts';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

interface Signing {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Names of the headers that are signed; all unless given. */
  readonly signed?: readonly string[];
  readonly accessKeyId: string;
  readonly secret: string;
  readonly region: string;
  readonly service: string;
}

/** A signed request (Signature Version 4) as a subject token, step by step as AWS's documents have it. */
function toSubjectToken(signing: Signing): string {
  const { url, method, headers, accessKeyId, secret, region, service } = signing;
  const { pathname, search } = new URL(url);
  const names = [...(signing.signed ?? Object.keys(headers))].sort();
  const lines = names.map((name) => `${name}:${headers[name]}\n`).join('');
  const request = [method, pathname, search.slice(1), lines, names.join(';'), hash('')].join('\n');
  const time = headers['x-amz-date'] ?? '';
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, hash(request)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, time.slice(0, 8)), region), service), 'aws4_request');
  const credential = `Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}`;
  const authorization = `AWS4-HMAC-SHA256 ${credential}, Signature=${hmac(key, text).toString('hex')}`;
  const list = Object.entries({ ...headers, authorization }).map(([name, value]) => ({ key: name, value }));
  return encodeURIComponent(JSON.stringify({ url, method, headers: list }));
}

const toTime = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
const NOW_MS = Date.UTC(2026, 0, 1, 12);

type Change = Partial<Omit<Signing, 'headers'>> & {
  readonly headers?: Readonly<Record<string, string | undefined>>;
};

/** What the library sends, with changes made before signing. */
function sign(emulator: Emulator, { headers: changed, ...change }: Change = {}): string {
  const { awsEnv, providers } = emulator.federation;
  const usual: Record<string, string | undefined> = {
    host: 'sts.us-east-2.amazonaws.com',
    'x-amz-date': toTime(NOW_MS),
    'x-amz-security-token': awsEnv.AWS_SESSION_TOKEN,
    'x-goog-cloud-target-resource': `//iam.googleapis.com/${providers.aws}`,
    ...changed,
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(usual)) if (value !== undefined) headers[name] = value;
  return toSubjectToken({
    url: 'https://sts.us-east-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15',
    method: 'POST',
    accessKeyId: awsEnv.AWS_ACCESS_KEY_ID ?? '',
    secret: awsEnv.AWS_SECRET_ACCESS_KEY ?? '',
    region: 'us-east-2',
    service: 'sts',
    headers,
    ...change,
  });
}

function exchange(emulator: Emulator, subject_token: string): Promise<client.Reply> {
  return client.exchangeSubject(emulator, {
    audience: `//iam.googleapis.com/${emulator.federation.providers.aws}`,
    subject_token,
    subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
  });
}

describe('the token exchange, asked with a request signed for AWS', () => {
  it('gives an access token that stands for the role’s session', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
    const reply = await exchange(emulator, sign(emulator));
    assert.equal(reply.status, 200, reply.text);
    assert.match(
      String(emulator.mints[0]?.identity),
      /\/subject\/arn:aws:sts::\d{12}:assumed-role\/emulated-role\/i-[0-9a-f]+$/,
    );
    const url = client.iamUrl(emulator, emulator.accounts.runner, 'generateIdToken');
    const head = [client.bearer(String(reply.json().access_token))];
    assert.equal((await client.post(url, { audience: 'https://x.example' }, head)).status, 200);
    const signing = client.iamUrl(emulator, emulator.accounts.runner, 'signJwt');
    const refused = await client.post(signing, { payload: '{}' }, head);
    assert.match(refused.text, /iam\.serviceAccounts\.signJwt/, 'workloadIdentityUser signs nothing');
  });

  it('takes what leaves the provider’s name unsigned, as the library’s requests do', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
    const signed = ['host', 'x-amz-date', 'x-amz-security-token'];
    assert.equal((await exchange(emulator, sign(emulator, { signed }))).status, 200);
  });

  it('takes the global endpoint as one of us-east-1', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
    const url = 'https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15';
    const headers = { host: 'sts.amazonaws.com' };
    assert.equal(
      (await exchange(emulator, sign(emulator, { url, headers, region: 'us-east-1' }))).status,
      200,
    );
    assert.equal((await exchange(emulator, sign(emulator, { url, headers }))).status, 400);
  });

  it('takes a signature that is 15 minutes old or ahead', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
    for (const ms of [NOW_MS - 900_000, NOW_MS + 900_000]) {
      const headers = { 'x-amz-date': toTime(ms) };
      assert.equal((await exchange(emulator, sign(emulator, { headers }))).status, 200);
    }
  });

  it('takes a request whose spaces are encoded as plus signs, as Go’s library does', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
    const signed = sign(emulator, {}).replaceAll('%20', '+');
    assert.match(signed, /SHA256\+Credential/);
    assert.equal((await exchange(emulator, signed)).status, 200);
  });

  const FORMAT = /^AWS request has invalid format\.$/;
  const MISMATCH = /SignatureDoesNotMatch .*does not match the signature you provided/;
  const TOKEN = /InvalidClientTokenId/;
  const refusals: readonly (readonly [
    what: string,
    make: (emulator: Emulator) => string,
    description: RegExp,
  ])[] = [
    ['what isn’t JSON', () => 'hello', FORMAT],
    ['JSON of another shape', () => encodeURIComponent('{"url":1}'), FORMAT],
    ['a GET', (emulator) => sign(emulator, { method: 'GET' }), FORMAT],
    [
      'another action',
      (emulator) => sign(emulator, { url: 'https://sts.us-east-2.amazonaws.com/?Action=AssumeRole' }),
      FORMAT,
    ],
    [
      'a host that isn’t AWS’s token service',
      (emulator) =>
        sign(emulator, {
          url: 'https://sts.us-east-2.amazonaws.com.evil.example/?Action=GetCallerIdentity',
          headers: { host: 'sts.us-east-2.amazonaws.com.evil.example' },
        }),
      FORMAT,
    ],
    [
      'a Host that isn’t the URL’s',
      (emulator) => sign(emulator, { headers: { host: 'sts.eu-west-1.amazonaws.com' } }),
      FORMAT,
    ],
    [
      'plain HTTP',
      (emulator) => sign(emulator, { url: 'http://sts.us-east-2.amazonaws.com/?Action=GetCallerIdentity' }),
      FORMAT,
    ],
    [
      'a request made for another provider',
      (emulator) =>
        sign(emulator, {
          headers: {
            'x-goog-cloud-target-resource': `//iam.googleapis.com/${emulator.federation.providers.github}`,
          },
        }),
      /x-goog-cloud-target-resource/,
    ],
    [
      'a request made for no provider',
      (emulator) => sign(emulator, { headers: { 'x-goog-cloud-target-resource': undefined } }),
      /x-goog-cloud-target-resource/,
    ],
    [
      'a signature of 15 minutes and a second ago',
      (emulator) => sign(emulator, { headers: { 'x-amz-date': toTime(NOW_MS - 901_000) } }),
      /Signature expired/,
    ],
    [
      'a signature 15 minutes and a second ahead',
      (emulator) => sign(emulator, { headers: { 'x-amz-date': toTime(NOW_MS + 901_000) } }),
      /Signature not yet current/,
    ],
    [
      'no time',
      (emulator) => sign(emulator, { headers: { 'x-amz-date': undefined } }),
      /IncompleteSignature/,
    ],
    ['an unknown key', (emulator) => sign(emulator, { accessKeyId: 'ASIA0000000000000000' }), TOKEN],
    [
      'no session token',
      (emulator) => sign(emulator, { headers: { 'x-amz-security-token': undefined } }),
      TOKEN,
    ],
    ['a wrong secret', (emulator) => sign(emulator, { secret: 'guess' }), MISMATCH],
    ['a signature for another service', (emulator) => sign(emulator, { service: 'iam' }), MISMATCH],
    ['a signature for another region', (emulator) => sign(emulator, { region: 'eu-west-1' }), MISMATCH],
    [
      'a host that wasn’t signed',
      (emulator) => sign(emulator, { signed: ['x-amz-date', 'x-amz-security-token'] }),
      MISMATCH,
    ],
    [
      'a header changed after signing',
      (emulator) => {
        const token = decodeURIComponent(sign(emulator, { headers: { 'x-note': 'mine' } }));
        return encodeURIComponent(token.replace('"value":"mine"', '"value":"yours"'));
      },
      MISMATCH,
    ],
  ];
  for (const [what, make, description] of refusals) {
    it(`refuses ${what}`, async (t) => {
      const emulator = await client.startEmulator(t, { clock: new FakeClock(NOW_MS), services: [] });
      const reply = await exchange(emulator, make(emulator));
      const { error, error_description } = reply.json();
      assert.deepEqual([reply.status, error], [400, 'invalid_grant']);
      assert.match(String(error_description), description);
      assert.deepEqual(emulator.mints, []);
    });
  }
});

describe('the metadata server of a machine on AWS', () => {
  const TTL = 'X-aws-ec2-metadata-token-ttl-seconds';
  const at = (emulator: Emulator, path: string): string =>
    `${emulator.federation.awsMetadataUrl}/latest/${path}`;
  const start = (emulator: Emulator, ...headers: (readonly [string, string])[]): Promise<client.Reply> =>
    client.call(at(emulator, 'api/token'), { method: 'PUT', headers });
  const read = (emulator: Emulator, path: string, token: string): Promise<client.Reply> =>
    client.call(at(emulator, `meta-data/${path}`), { headers: [['X-aws-ec2-metadata-token', token]] });

  it('tells where the machine is and what its role may sign with', async (t) => {
    const emulator = await client.startEmulator(t, { clock: new FakeClock(), services: [] });
    const session = await start(emulator, [TTL, '300']);
    assert.deepEqual([session.status, session.headers[TTL.toLowerCase()]], [200, '300']);
    const get = async (path: string): Promise<string> => (await read(emulator, path, session.text)).text;
    assert.equal(await get('placement/availability-zone'), 'us-east-2b');
    assert.equal(await get('placement/region'), 'us-east-2');
    assert.equal(await get('iam/security-credentials'), 'emulated-role');
    assert.equal(await get('iam/security-credentials/'), 'emulated-role');
    const { awsEnv } = emulator.federation;
    assert.deepEqual(JSON.parse(await get('iam/security-credentials/emulated-role')), {
      Code: 'Success',
      LastUpdated: '2026-01-01T00:00:00Z',
      Type: 'AWS-HMAC',
      AccessKeyId: awsEnv.AWS_ACCESS_KEY_ID,
      SecretAccessKey: awsEnv.AWS_SECRET_ACCESS_KEY,
      Token: awsEnv.AWS_SESSION_TOKEN,
      Expiration: '2026-01-01T06:00:00Z',
    });
    assert.equal((await read(emulator, 'iam/security-credentials/other', session.text)).status, 404);
    assert.equal(emulator.requests.awsMetadata, 7);
  });

  it('tells nothing without a session, or after it', async (t) => {
    const clock = new FakeClock();
    const emulator = await client.startEmulator(t, { clock, services: [] });
    const { text } = await start(emulator, [TTL, '60']);
    const path = 'placement/region';
    assert.equal((await client.call(at(emulator, `meta-data/${path}`))).status, 401);
    assert.equal((await read(emulator, path, 'guess')).status, 401);
    await clock.advance(59_000);
    assert.equal((await read(emulator, path, text)).status, 200);
    await clock.advance(1_000);
    assert.equal((await read(emulator, path, text)).status, 401);
  });

  it('opens sessions of 1 second to 6 hours, by PUT, for nobody behind a proxy', async (t) => {
    const emulator = await client.startEmulator(t, { services: [] });
    for (const ttl of ['1', '21600']) assert.equal((await start(emulator, [TTL, ttl])).status, 200);
    for (const ttl of ['0', '21601', '-1', 'x', '']) {
      assert.equal((await start(emulator, [TTL, ttl])).status, 400, ttl);
    }
    assert.equal((await start(emulator)).status, 400);
    assert.equal((await start(emulator, [TTL, '60'], ['X-Forwarded-For', '10.0.0.1'])).status, 403);
    assert.equal((await client.call(at(emulator, 'api/token'))).status, 405);
  });
});
