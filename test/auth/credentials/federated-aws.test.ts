import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startUpstream } from '../../support/sockets.ts';
import { ACCESS, failure, ID, useEmulator } from './setting.ts';
import { toWorkloads } from './workloads.ts';

const setting = useEmulator();
const { aws, configFile } = toWorkloads(setting);

test('a role on AWS is shown by the environment’s keys, without asking the metadata server', async () => {
  const { google } = setting;
  const credential = setting.make(aws(google.accounts.runner), { env: google.federation.awsEnv });
  for (const request of [ID, ACCESS]) {
    const counts = await setting.count(async () => {
      assert.equal((await credential.mint(request)).identity, google.accounts.runner);
    });
    assert.deepEqual(counts, {
      sts: 1,
      [request.kind === 'id' ? 'generateIdToken' : 'generateAccessToken']: 1,
    });
  }
});

test('a role on AWS is shown by the metadata server, in one session', async () => {
  const { google } = setting;
  const credential = setting.make(aws(google.accounts.runner));
  const counts = await setting.count(async () => {
    assert.equal((await credential.mint(ID)).identity, google.accounts.runner);
  });
  // The session's token, the region, the role, its credentials.
  assert.deepEqual(counts, { awsMetadata: 4, sts: 1, generateIdToken: 1 });
  const { AWS_REGION } = google.federation.awsEnv;
  const inRegion = setting.make(aws(google.accounts.runner), { env: { AWS_REGION } });
  assert.deepEqual(await setting.count(() => inRegion.mint(ID)), {
    awsMetadata: 3,
    sts: 1,
    generateIdToken: 1,
  });
});

test('a container on AWS is shown by the credentials of its task or pod', async (t) => {
  const { google } = setting;
  const { AWS_REGION = '', ...keys } = google.federation.awsEnv;
  const asked: (string | undefined)[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = keys;
    response.end(
      JSON.stringify({
        AccessKeyId: AWS_ACCESS_KEY_ID,
        SecretAccessKey: AWS_SECRET_ACCESS_KEY,
        Token: AWS_SESSION_TOKEN,
      }),
    );
  });
  const env = {
    AWS_REGION,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: await setting.write('pod-token', 'of-the-pod\n'),
  };
  const counts = await setting.count(async () => {
    const token = await setting.make(aws(google.accounts.runner), { env }).mint(ID);
    assert.equal(token.identity, google.accounts.runner);
  });
  assert.deepEqual(counts, { sts: 1, generateIdToken: 1 });
  assert.deepEqual(asked, ['/v1/credentials of-the-pod']);
  for (const uri of ['http://evil.example/', 'http://169.254.170.2.evil.example/', 'nonsense']) {
    const evil = { ...env, AWS_CONTAINER_CREDENTIALS_FULL_URI: uri };
    const error = await failure(setting.make(aws(google.accounts.runner), { env: evil }));
    assert.match(error.message, /AWS_CONTAINER_CREDENTIALS_FULL_URI leads off this machine\.$/);
  }
});

test('off AWS, what is missing is named: the region, the keys, the metadata server', async () => {
  const { google } = setting;
  const { AWS_REGION, ...keys } = google.federation.awsEnv;
  google.faults.set('awsMetadata', { status: 404 });
  const noRegion = await failure(setting.make(aws(google.accounts.runner), { env: keys }));
  assert.match(noRegion.message, /: nothing says which AWS region this is\.$/);
  assert.equal(noRegion.hint, 'Set AWS_REGION, for instance to us-east-1.');
  const noKeys = await failure(setting.make(aws(google.accounts.runner), { env: { AWS_REGION } }));
  assert.match(noKeys.message, /: there are no AWS credentials here\.$/);
  assert.match(String(noKeys.hint), /^Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN/);
  google.faults.set('awsMetadata', 'reset');
  const away = await failure(setting.make(aws(google.accounts.runner)));
  assert.equal(away.code, 'token_unavailable');
  assert.match(String(away.hint), /http-put-response-hop-limit/);
});

test('a configuration file for AWS without URLs takes everything from the environment, or says what is missing', async () => {
  const { google } = setting;
  const { environment_id, regional_cred_verification_url } = google.credentials.federatedAws
    .credential_source as Record<string, string>;
  const file = {
    ...google.credentials.federatedAws,
    credential_source: { environment_id, regional_cred_verification_url },
  };
  const config = await configFile('aws-env.json', file, google.accounts.runner);
  const { awsEnv } = google.federation;
  assert.equal((await setting.make(config, { env: awsEnv }).mint(ID)).identity, google.accounts.runner);
  assert.match((await failure(setting.make(config))).message, /nothing says which AWS region this is/);
  const noKeys = setting.make(config, { env: { AWS_DEFAULT_REGION: awsEnv.AWS_REGION } });
  assert.match((await failure(noKeys)).message, /there are no AWS credentials here/);
});
