import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inferAudience, isCloudRunHost } from '../../src/auth/audience.ts';

const infer = (url: string) => {
  const { origin, pathname } = new URL(url);
  return inferAudience({ origin, basePath: pathname });
};

test('the audience of a Cloud Run service is its origin', () => {
  assert.deepEqual(infer('https://orders-abc123-an.a.run.app/v1'), {
    audience: 'https://orders-abc123-an.a.run.app',
  });
  assert.deepEqual(infer('https://orders-123456.europe-west1.run.app'), {
    audience: 'https://orders-123456.europe-west1.run.app',
  });
});

test('a traffic tag is cut off', () => {
  assert.deepEqual(infer('https://canary---orders-abc-an.a.run.app'), {
    audience: 'https://orders-abc-an.a.run.app',
  });
  assert.deepEqual(infer('https://pr-42---orders-abc-an.a.run.app'), {
    audience: 'https://orders-abc-an.a.run.app',
  });
});

test('a final dot and upper case make no other audience', () => {
  const audience = 'https://orders-abc-an.a.run.app';
  assert.deepEqual(inferAudience({ origin: 'https://Orders-ABC-an.a.run.app.', basePath: '/' }), {
    audience,
  });
});

test('the audience of a function ends in its name', () => {
  const audience = 'https://asia-northeast1-p.cloudfunctions.net/get_range';
  assert.deepEqual(infer('https://asia-northeast1-p.cloudfunctions.net/get_range'), { audience });
  assert.deepEqual(infer('https://asia-northeast1-p.cloudfunctions.net/get_range/sub/path'), { audience });
});

test('a function without a name is warned of', () => {
  const { audience, warning } = infer('https://asia-northeast1-p.cloudfunctions.net/');
  assert.equal(audience, 'https://asia-northeast1-p.cloudfunctions.net');
  assert.match(warning?.message ?? '', /names no function/);
  assert.equal(warning?.hint, 'upstream: https://asia-northeast1-p.cloudfunctions.net/FUNCTION');
});

test('a service on this machine is its own audience', () => {
  for (const audience of [
    'http://127.0.0.1:9000',
    'http://localhost:3000',
    'http://shop.localhost',
    'http://[::1]:80',
  ]) {
    assert.deepEqual(infer(audience), { audience: new URL(audience).origin });
  }
});

test('a custom domain is warned of, with the command that makes it an audience', () => {
  const { audience, warning } = infer('https://api.example.com/v1');
  assert.equal(audience, 'https://api.example.com');
  assert.equal(
    warning?.hint,
    'gcloud run services update SERVICE --add-custom-audiences=https://api.example.com',
  );
});

test('a Google API is warned of: it wants an access token', () => {
  const { warning } = infer('https://bigquery.googleapis.com');
  assert.match(warning?.message ?? '', /access token/);
  assert.match(warning?.hint ?? '', /kind: access/);
});

test('lookalikes of Google’s hosts are custom domains', () => {
  for (const host of [
    'run.app.evil.com',
    'evilrun.app',
    'run.app',
    'cloudfunctions.net.evil.com',
    'evilcloudfunctions.net',
  ]) {
    assert.match(infer(`https://${host}/f`).warning?.hint ?? '', /--add-custom-audiences/, host);
  }
});

test('hosts of Cloud Run are told by their last labels', () => {
  for (const host of ['a.run.app', 'A.B.RUN.APP', 'a.run.app.', 'a.run.app:443'])
    assert.equal(isCloudRunHost(host), true, host);
  for (const host of ['run.app', 'evilrun.app', 'a.run.app.evil.com', 'localhost', '[::1]:80', '']) {
    assert.equal(isCloudRunHost(host), false, host);
  }
});
