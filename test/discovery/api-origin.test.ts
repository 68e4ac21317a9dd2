import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findApiOrigin } from '../../src/discovery/api-origin.ts';

const RUN = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN';
const find = (value: string | undefined, universeDomain = 'googleapis.com'): string =>
  findApiOrigin('run', { env: { [RUN]: value }, universeDomain }).origin;

test('an API is where its universe is, or where gcloud is told it is', () => {
  assert.equal(find(undefined), 'https://run.googleapis.com');
  assert.equal(find('', 'example-universe.goog'), 'https://run.example-universe.goog');
  assert.equal(find('https://europe-west1-run.googleapis.com/'), 'https://europe-west1-run.googleapis.com');
  assert.equal(find('https://run-psc.p.googleapis.com'), 'https://run-psc.p.googleapis.com');
  assert.equal(find('http://127.0.0.1:9000/'), 'http://127.0.0.1:9000');
});

test('an access token goes nowhere else', () => {
  for (const value of [
    'https://run.example.com/',
    'https://run.googleapis.com.example.com/',
    'https://notgoogleapis.com/',
    'http://run.googleapis.com/',
    'https://me:secret@run.googleapis.com/',
    'https://run.googleapis.com/v1/',
    'https://run.googleapis.com/?a=secret',
    'run.googleapis.com',
    'ftp://localhost/',
  ]) {
    assert.throws(
      () => find(value),
      ({ code, message }) =>
        code === 'config_invalid' && message.includes(RUN) && !message.includes('secret'),
      value,
    );
  }
  assert.throws(() => find('https://run.googleapis.com/', 'example-universe.goog'), {
    code: 'config_invalid',
  });
});
