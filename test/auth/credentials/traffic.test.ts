import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { gaxios } from 'google-auth-library';
import type { KindContext } from '../../../src/auth/credentials/kind.ts';
import {
  findAnyProxy,
  runWithTraffic,
  Traffic,
  watchTraffic,
} from '../../../src/auth/credentials/traffic.ts';
import type { GoogleEndpoints } from '../../../src/auth/token-source.ts';
import { systemClock } from '../../../src/clock.ts';
import { type GoogleTls, startGoogleTls } from '../../support/google-tls.ts';
import { closedPort } from '../../support/sockets.ts';
import { ACCESS, failure, ID, SIGNED, useEmulator } from './setting.ts';

const setting = useEmulator();

function context(env: KindContext['env'], endpoints: GoogleEndpoints = {}): KindContext {
  const find = (): never => assert.fail('no other credential is needed');
  return { endpoints, env, clock: systemClock, timeoutMs: 5_000, universeDomain: 'googleapis.com', find };
}

/** What becomes of a request on its way out, for which the library chose this agent. */
async function send(
  url: string,
  agent: Agent | undefined,
  { env, ...endpoints }: Partial<KindContext> & GoogleEndpoints,
) {
  const config: gaxios.GaxiosOptionsPrepared = {
    url: new URL(url),
    headers: new Headers(),
    timeout: 60_000,
    retry: true,
    retryConfig: { retry: 3 },
    ...(agent && { agent }),
  };
  new Traffic(context(env ?? {}, endpoints)).send(config);
  return config;
}

/** What the library makes for a proxy. */
const proxying = (proxy: string): Agent => Object.assign(new Agent(), { proxy: new URL(proxy) });

async function trustGoogleTls(t: TestContext): Promise<GoogleTls> {
  const behind = await startGoogleTls(t, setting.google);
  const trusted = tls.getCACertificates('default');
  tls.setDefaultCACertificates([await readFile(behind.caFile, 'utf8')]);
  t.after(() => tls.setDefaultCACertificates(trusted));
  return behind;
}

/** A file as Google hands it out: with its own addresses. */
function atGoogle(file: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(file)
    .replaceAll(`${setting.google.google.url}/v1/token`, 'https://sts.googleapis.com/v1/token')
    .replaceAll(
      `${setting.google.google.url}/v1/projects`,
      'https://iamcredentials.googleapis.com/v1/projects',
    )
    .replaceAll(`${setting.google.google.url}/token`, 'https://oauth2.googleapis.com/token');
}

test('behind a forward proxy every request to Google goes through it, whichever variable names it', async (t) => {
  const behind = await trustGoogleTls(t);
  const key = await setting.write('key.json', atGoogle(setting.google.credentials.serviceAccount));
  const wif = await setting.write('wif.json', atGoogle(setting.google.credentials.federatedGithubRunner));
  for (const env of [
    { HTTPS_PROXY: behind.proxyUrl },
    { https_proxy: behind.proxyUrl },
    { ALL_PROXY: behind.proxyUrl },
  ]) {
    const options = { endpoints: {}, env };
    const keyFile = setting.make({ kind: 'key-file', key: { kind: 'file', path: key } }, options);
    const from = { kind: 'config-file', path: wif } as const;
    const federated = setting.make({ kind: 'federated', from, serviceAccount: undefined }, options);
    const begun = behind.requests.length;
    for (const credential of [keyFile, federated]) {
      await credential.mint(ID);
      await credential.mint(ACCESS);
    }
    await federated.mint(SIGNED);
    const sts = 'POST https://sts.googleapis.com/v1/token';
    const { runner } = setting.google.accounts;
    const iam = `POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${runner}`;
    assert.deepEqual(behind.requests.slice(begun), [
      'POST https://oauth2.googleapis.com/token',
      'POST https://oauth2.googleapis.com/token',
      sts,
      `${iam}:generateIdToken`,
      sts,
      `${iam}:generateAccessToken`,
      sts,
      `${iam}:signJwt`,
    ]);
  }
});

test('a forward proxy that is away makes tokens unavailable, and nothing goes around it', async (t) => {
  const behind = await trustGoogleTls(t);
  const key = await setting.write('key.json', atGoogle(setting.google.credentials.serviceAccount));
  const env = { HTTPS_PROXY: `http://127.0.0.1:${await closedPort()}` };
  const credential = setting.make(
    { kind: 'key-file', key: { kind: 'file', path: key } },
    { endpoints: {}, env },
  );
  const error = await failure(credential);
  assert.equal(error.code, 'token_unavailable');
  assert.match(error.message, /oauth2\.googleapis\.com can't be reached \(ECONNREFUSED\)\.$/);
  assert.deepEqual(behind.requests, []);
});

test('which requests go through a forward proxy is decided by the rules for upstreams, not by the library’s', async () => {
  const google = 'https://oauth2.googleapis.com/token';
  const HTTPS_PROXY = 'http://proxy.example:3128';
  const agent = proxying(HTTPS_PROXY);
  const kept = async (url: string, env: KindContext['env'], endpoints: GoogleEndpoints = {}) =>
    (await send(url, agent, { env, ...endpoints })).agent === agent;
  assert.equal(await kept(google, { HTTPS_PROXY }), true);
  assert.equal(await kept(google, {}), false);
  for (const NO_PROXY of ['*', 'googleapis.com', 'oauth2.googleapis.com:443', 'a.example, .googleapis.com'])
    assert.equal(await kept(google, { HTTPS_PROXY, NO_PROXY }), false, NO_PROXY);
  assert.equal(await kept('https://10.1.2.3/token', { HTTPS_PROXY, NO_PROXY: '10.0.0.0/8' }), false);
  assert.equal(await kept(google, { HTTPS_PROXY, NO_PROXY: 'oauth2.googleapis.com:8443' }), true);
  const HTTP_PROXY = HTTPS_PROXY;
  for (const url of [
    'http://169.254.169.254/computeMetadata/v1/instance',
    'http://metadata.google.internal/computeMetadata/v1/instance',
    'http://169.254.169.254/latest/api/token',
    'http://[fd00:ec2::254]/latest/api/token',
    'http://127.0.0.1:8080/token',
    'http://localhost:8080/token',
  ])
    assert.equal(await kept(url, { HTTPS_PROXY, HTTP_PROXY }), false, url);
  assert.equal(await kept(google, { HTTPS_PROXY }, { apisUrl: 'http://127.0.0.1:8080' }), false);
});

test('an agent is made for each proxy that may be needed, before NO_PROXY is looked at', () => {
  const HTTPS_PROXY = 'http://proxy.example:3128';
  assert.equal(findAnyProxy({ HTTPS_PROXY, NO_PROXY: '*' }), `${HTTPS_PROXY}/`);
  assert.equal(findAnyProxy({ ALL_PROXY: HTTPS_PROXY, no_proxy: 'googleapis.com' }), `${HTTPS_PROXY}/`);
  assert.equal(findAnyProxy({ HTTP_PROXY: HTTPS_PROXY }), undefined);
});

test('an agent with a client certificate stays', async () => {
  const agent = new Agent();
  const { agent: kept } = await send('https://sts.mtls.googleapis.com/v1/token', agent, {});
  assert.equal(kept, agent);
});

test('what is for Google, and for the metadata servers, goes where they are', async () => {
  const endpoints = {
    apisUrl: 'http://127.0.0.1:1',
    metadataHost: '127.0.0.1:2',
    awsMetadataUrl: 'http://127.0.0.1:3',
  };
  const located = async (url: string, given: GoogleEndpoints = endpoints) =>
    (await send(url, undefined, given)).url.href;
  const moved = {
    'https://sts.googleapis.com/v1/token': 'http://127.0.0.1:1/v1/token',
    'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:signJwt?x=1':
      'http://127.0.0.1:1/v1/projects/-/serviceAccounts/a@b:signJwt?x=1',
    'http://169.254.169.254/computeMetadata/v1/instance?a=b':
      'http://127.0.0.1:2/computeMetadata/v1/instance?a=b',
    'http://metadata.google.internal./computeMetadata/v1/x': 'http://127.0.0.1:2/computeMetadata/v1/x',
    'http://169.254.169.254/latest/api/token': 'http://127.0.0.1:3/latest/api/token',
    'http://[fd00:ec2::254]/latest/api/token': 'http://127.0.0.1:3/latest/api/token',
  };
  for (const [url, to] of Object.entries(moved)) {
    assert.equal(await located(url), to);
    assert.equal(await located(url, {}), url);
  }
  for (const url of [
    'https://token.actions.example/x',
    'https://googleapis.com.evil.example/',
    'http://sts.googleapis.com/',
  ])
    assert.equal(await located(url), url);
});

test('no request is tried again by the library, none is redirected, and each has its time', async () => {
  const config = await send('https://sts.googleapis.com/v1/token', undefined, {});
  assert.equal(config.retry, false);
  assert.equal(config.retryConfig, undefined);
  assert.equal(config.redirect, 'manual');
  assert.ok(config.signal instanceof AbortSignal);
});

test('a redirect is an answer like others: what was sent isn’t sent on', async () => {
  const { google } = setting;
  const headers = { location: `${google.google.url}/v1/token` };
  google.faults.set('githubOidc', { status: 307, headers }, 1);
  const from = { kind: 'github', provider: google.federation.providers.github } as const;
  const job = setting.make(
    { kind: 'federated', from, serviceAccount: undefined },
    { env: google.federation.githubEnv },
  );
  const counts = await setting.count(async () =>
    assert.match((await failure(job, ACCESS)).message, /answered 307\.$/),
  );
  assert.deepEqual(counts, { githubOidc: 1 });
});

test('only what runs with a traffic is led by it', async () => {
  const transporter = watchTraffic(new gaxios.Gaxios());
  const url = `${setting.google.google.url}/.well-known/openid-configuration`;
  const asked = 'https://accounts.googleapis.com/.well-known/openid-configuration';
  const traffic = new Traffic(context({}, { apisUrl: setting.google.google.url }));
  const { status } = await runWithTraffic(traffic, () => transporter.request({ url: asked }));
  assert.equal(status, 200);
  assert.ok(traffic.issuerNowMs !== undefined);
  assert.equal((await transporter.request({ url, noProxy: [/127/] })).status, 200);
});
