import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { listSubjectFiles, parseFederation } from '../../../src/auth/credentials/federation.ts';
import { isProxyError } from '../../../src/errors.ts';

type Json = Readonly<Record<string, unknown>>;

const OIDC: Json = {
  type: 'external_account',
  audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  token_url: 'https://sts.googleapis.com/v1/token',
  credential_source: { file: '/var/run/token' },
};

const AWS_SOURCE: Json = {
  environment_id: 'aws1',
  region_url: 'http://169.254.169.254/latest/meta-data/placement/availability-zone',
  url: 'http://169.254.169.254/latest/meta-data/iam/security-credentials',
  regional_cred_verification_url:
    'https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15',
  imdsv2_session_token_url: 'http://169.254.169.254/latest/api/token',
};

const parse = (file: Json, universe = 'googleapis.com') => parseFederation(file, 'wif.json', universe);
const parseSource = (source: Json) => parse({ ...OIDC, credential_source: source }).subject;

function assertRefused(file: Json, message: RegExp): void {
  assert.throws(
    () => parse(file),
    (error) => {
      assert.ok(isProxyError(error), String(error));
      assert.equal(error.code, 'credentials_invalid');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    },
  );
}

test('tokens are exchanged at Google’s Security Token Service, in any of its places, or on this machine', () => {
  for (const token_url of [
    'https://sts.googleapis.com/v1/token',
    'https://sts.mtls.googleapis.com/v1/token',
    'https://sts.europe-west1.rep.googleapis.com/v1/token',
    'https://sts-corp.p.googleapis.com/v1/token',
    'http://127.0.0.1:8080/v1/token',
    'https://[::1]:8443/v1/token',
  ])
    assert.equal(parse({ ...OIDC, token_url }).tokenUrl, token_url);
  const universe_domain = 's3nsapis.fr';
  const token_url = 'https://sts.s3nsapis.fr/v1/token';
  assert.equal(parse({ ...OIDC, universe_domain, token_url }, universe_domain).tokenUrl, token_url);
});

test('nowhere else is a workload’s token sent', () => {
  for (const token_url of [
    'https://evil.example/v1/token',
    'https://sts.googleapis.com.evil.example/v1/token',
    'https://sts.evil.example/googleapis.com',
    'https://evilsts.googleapis.com/v1/token',
    'https://sts.evil.googleapis.com/v1/token',
    'https://storage.googleapis.com/v1/token',
    'https://sts.googleapis.com:8443/v1/token',
    'https://sts.googleapis.com@evil.example/v1/token',
    'http://sts.googleapis.com/v1/token',
    'http://127.0.0.1.evil.example/v1/token',
    'http://evil.localhost/v1/token',
    'ftp://127.0.0.1/v1/token',
    'https://sts.s3nsapis.fr/v1/token',
  ])
    assertRefused({ ...OIDC, token_url }, /^"token_url" in wif\.json points to .*, which is not Google's/);
  assertRefused({ ...OIDC, token_url: 'nonsense' }, /^"token_url" in wif\.json is missing or not/);
});

test('a token is fetched by TLS, or from this machine or beside it', () => {
  for (const url of [
    'https://issuer.example/token?audience=x',
    'http://localhost:5000/oidc',
    'http://127.0.0.1:40342/metadata/identity/oauth2/token',
    'http://169.254.169.254/metadata/identity/oauth2/token',
    'http://[fe80::1]/token',
  ]) {
    const subject = parseSource({ url });
    assert.ok(subject.kind === 'url' && subject.url === url);
  }
  for (const url of [
    'http://issuer.example/token?canary',
    'http://10.0.0.1/token',
    'http://169.254.169.254.evil.example/token',
    'file:///etc/canary',
  ]) {
    const file = { ...OIDC, credential_source: { url, headers: { 'X-Vault-Token': 'canary' } } };
    assertRefused(file, /^"credential_source\.url" in wif\.json points to/);
  }
});

test('AWS is asked at its metadata server only, and what is signed is for AWS', () => {
  assert.equal(parseSource(AWS_SOURCE).kind, 'aws');
  const china = 'https://sts.{region}.amazonaws.com.cn?Action=GetCallerIdentity&Version=2011-06-15';
  assert.equal(parseSource({ ...AWS_SOURCE, regional_cred_verification_url: china }).kind, 'aws');
  for (const field of ['region_url', 'url', 'imdsv2_session_token_url']) {
    const ipv6 = { ...AWS_SOURCE, [field]: 'http://[fd00:ec2::254]/latest' };
    assert.equal(parseSource(ipv6).kind, 'aws');
    for (const url of [
      'http://evil.example/latest',
      'https://169.254.169.254/latest',
      'http://169.254.169.254:8080/latest',
      'http://169.254.169.253/latest',
      'http://169.254.169.254@evil.example/latest',
    ]) {
      const file = { ...OIDC, credential_source: { ...AWS_SOURCE, [field]: url } };
      assertRefused(file, new RegExp(`^"credential_source\\.${field}" in wif\\.json points to`));
    }
  }
  for (const url of [
    undefined,
    'https://sts.evil.example?Action=GetCallerIdentity',
    'https://evil.example/?https://sts.{region}.amazonaws.com?',
    'http://sts.{region}.amazonaws.com?Action=GetCallerIdentity',
    'https://sts.{region}.amazonaws.com.evil.example?Action=GetCallerIdentity',
  ]) {
    const source = { ...AWS_SOURCE, regional_cred_verification_url: url };
    assertRefused({ ...OIDC, credential_source: source }, /regional_cred_verification_url/);
  }
  assertRefused({ ...OIDC, credential_source: { ...AWS_SOURCE, environment_id: 'aws2' } }, /environment_id/);
});

test('of the impersonation URL nothing counts but the e-mail address, and a loopback address', () => {
  const url = (base: string) => `${base}/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken`;
  const read = (base: string) => {
    const { account, endpoint } = parse({ ...OIDC, service_account_impersonation_url: url(base) });
    return [account, endpoint];
  };
  assert.deepEqual(read('https://iamcredentials.googleapis.com'), ['a@b.example', undefined]);
  assert.deepEqual(read('https://evil.example'), ['a@b.example', undefined]);
  assert.deepEqual(read('http://127.0.0.1:8080'), ['a@b.example', 'http://127.0.0.1:8080']);
  assertRefused(
    { ...OIDC, service_account_impersonation_url: 'https://evil.example/' },
    /service_account_impersonation_url/,
  );
});

test('a file says how its token is written, who bills, and for how long', () => {
  const subject = parseSource({
    file: '/x',
    format: { type: 'json', subject_token_field_name: 'access_token' },
  });
  assert.deepEqual(subject, { kind: 'file', path: '/x', field: 'access_token' });
  assert.deepEqual(parseSource({ file: '/x', format: { type: 'text' } }), {
    kind: 'file',
    path: '/x',
    field: undefined,
  });
  const all = parse({
    ...OIDC,
    quota_project_id: 'billed',
    workforce_pool_user_project: '123',
    service_account_impersonation: { token_lifetime_seconds: 600 },
    client_id: 'id',
    client_secret: 'secret',
  });
  assert.equal(all.quotaProject, 'billed');
  assert.equal(all.userProject, '123');
  assert.equal(all.lifetimeSeconds, 600);
  assert.deepEqual(all.client, { id: 'id', secret: 'secret' });
});

test('the files that are read for each token are known', () => {
  assert.deepEqual(listSubjectFiles(parseSource({ file: 'token' })), [resolve('token')]);
  const certificate = { certificate_config_location: '/c', trust_chain_path: '/t' };
  assert.deepEqual(listSubjectFiles(parseSource({ certificate })), [resolve('/c'), resolve('/t')]);
  const executable = { command: '/bin/token', output_file: join('out', 'file') };
  assert.deepEqual(listSubjectFiles(parseSource({ executable })), [resolve('out', 'file')]);
  assert.deepEqual(listSubjectFiles(parseSource(AWS_SOURCE)), []);
  assert.deepEqual(listSubjectFiles(parseSource({ url: 'https://issuer.example/' })), []);
});

test('what is missing or malformed is named, and nothing of it shown', () => {
  const cases: readonly (readonly [Json, RegExp])[] = [
    [{ audience: undefined }, /"audience"/],
    [{ subject_token_type: 7 }, /"subject_token_type"/],
    [{ token_url: undefined }, /"token_url"/],
    [{ credential_source: undefined }, /"credential_source"/],
    [{ credential_source: { canary: true } }, /"credential_source"/],
    [{ credential_source: { file: 'x', format: { type: 'xml' } } }, /"credential_source\.format"/],
    [{ credential_source: { file: 'x', format: { type: 'json' } } }, /"credential_source\.format"/],
    [{ credential_source: { url: 'https://x.example', headers: { a: 1 } } }, /"credential_source\.headers"/],
    [{ credential_source: { executable: {} } }, /executable\.command"/],
    [
      { credential_source: { executable: { command: 'x', timeout_millis: 1 } } },
      /executable\.timeout_millis"/,
    ],
  ];
  for (const [change, message] of cases) assertRefused({ ...OIDC, ...change }, message);
});
