import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CredentialConfig } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { writeConfig } from './resolve-file.ts';

const PROVIDER = 'projects/123/locations/global/workloadIdentityPools/ci/providers/gh';
const RUNNER = 'runner@my-project.iam.gserviceaccount.com';

interface Resolved {
  readonly credential: CredentialConfig | undefined;
  /** Where the configuration is. */
  readonly folder: string;
  /** What `~` is. */
  readonly home: string;
}

/** Resolves one credential, of a file that is not in the working folder. */
async function resolveCredential(t: TestContext, written: string): Promise<Resolved> {
  const cwd = writeConfig(
    t,
    `credentials: { it: ${written} }\nroutes: [{ path: /, upstream: emulator:hello, credentials: it, token: access }]`,
    'conf/proxy.yaml',
  );
  const home = join(cwd, 'home');
  const env = { HOME: home, USERPROFILE: home };
  const config = await resolveConfig({ flags: { config: 'conf/proxy.yaml' }, positionals: [], env, cwd });
  return { credential: config.credentials.it, folder: join(cwd, 'conf'), home };
}

for (const [written, credential] of [
  ['{ kind: adc }', { kind: 'adc' }],
  ['{ kind: key-file, key: env:GCP_KEY }', { kind: 'key-file', key: { kind: 'env', name: 'GCP_KEY' } }],
  ['{ kind: user }', { kind: 'user', path: undefined }],
  ['{ kind: gcloud }', { kind: 'gcloud', account: undefined }],
  ['{ kind: gcloud, account: me@example.com }', { kind: 'gcloud', account: 'me@example.com' }],
  ['{ kind: token, from: env:_my_TOKEN1 }', { kind: 'token', from: { kind: 'env', name: '_my_TOKEN1' } }],
  [
    `{ kind: federated, provider: ${PROVIDER}, from: github, serviceAccount: ${RUNNER} }`,
    { kind: 'federated', from: { kind: 'github', provider: PROVIDER }, serviceAccount: RUNNER },
  ],
  [
    `{ kind: federated, provider: ${PROVIDER}, from: aws }`,
    { kind: 'federated', from: { kind: 'aws', provider: PROVIDER }, serviceAccount: undefined },
  ],
] as const) {
  test(`the credentials ${written} are understood`, async (t) => {
    assert.deepEqual((await resolveCredential(t, written)).credential, credential);
  });
}

for (const prefix of [
  '//iam.googleapis.com/',
  'https://iam.googleapis.com/',
  'https://iam.googleapis.com/v1/',
]) {
  test(`a provider may have ${prefix} in front`, async (t) => {
    const { credential } = await resolveCredential(
      t,
      `{ kind: federated, provider: '${prefix}${PROVIDER}', from: github }`,
    );
    assert.deepEqual(credential?.kind === 'federated' && credential.from, {
      kind: 'github',
      provider: PROVIDER,
    });
  });
}

/** Each place that names a file, with what stands before the name, and where the full name ends up. */
const PLACES: readonly [
  name: string,
  write: (file: string) => string,
  read: (it: CredentialConfig) => unknown,
][] = [
  [
    'path of a key-file',
    (file) => `{ kind: key-file, path: '${file}' }`,
    (it) => it.kind === 'key-file' && it.key.kind === 'file' && it.key.path,
  ],
  [
    'key of a key-file',
    (file) => `{ kind: key-file, key: 'file:${file}' }`,
    (it) => it.kind === 'key-file' && it.key.kind === 'file' && it.key.path,
  ],
  ['path of a user', (file) => `{ kind: user, path: '${file}' }`, (it) => it.kind === 'user' && it.path],
  [
    'from of a token',
    (file) => `{ kind: token, from: 'file:${file}' }`,
    (it) => it.kind === 'token' && it.from.kind === 'file' && it.from.path,
  ],
  [
    'path of a federated',
    (file) => `{ kind: federated, path: '${file}' }`,
    (it) => it.kind === 'federated' && it.from.kind === 'config-file' && it.from.path,
  ],
  [
    'from of a federated',
    (file) => `{ kind: federated, provider: ${PROVIDER}, from: 'file:${file}' }`,
    (it) => it.kind === 'federated' && it.from.kind === 'token-file' && it.from.path,
  ],
];

for (const [name, write, read] of PLACES) {
  test(`${name} starts at the folder of the file, at ~, or at the root`, async (t) => {
    const cases = [
      ['x.json', ({ folder }: Resolved) => join(folder, 'x.json')],
      ['../x y.json', ({ folder }: Resolved) => join(folder, '..', 'x y.json')],
      ['~/x.json', ({ home }: Resolved) => join(home, 'x.json')],
      ['/run/x.json', () => resolve('/run/x.json')],
    ] as const;
    for (const [file, expected] of cases) {
      const resolved = await resolveCredential(t, write(file));
      assert.equal(resolved.credential && read(resolved.credential), expected(resolved), file);
    }
  });
}

test('a secret in place of a reference is never in the message, whatever it looks like', async (t) => {
  const secrets = [
    'eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln',
    'Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln',
    'ya29.a0Af_bYC',
    '1//0gLmNoPq',
    'GOCSPX-aBcDeFgHiJ',
    'AIzaSyA1234567890abcdefghijklmnopqrstuv',
    '{"type": "service_account", "private_key": "aBcDeF"}',
    'ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIKfQ==',
    'eyJ0eXBlIjogInNlcnZpY2VfYWNj/b3Vu+dCIKfQ==',
    '-----BEGIN PRIVATE KEY----- aBcDeF',
    'q8Zr2LkT0vXw5YbN1mHs7DfG3jUc9EoA',
  ];
  for (const secret of secrets) {
    for (const write of [
      (text: string) => `{ kind: token, from: '${text}' }`,
      (text: string) => `{ kind: token, "from": "${text.replaceAll('"', '\\"')}" }`,
      (text: string) => `{ kind: key-file, key: '${text}' }`,
      (text: string) => `{ kind: federated, provider: ${PROVIDER}, from: '${text}' }`,
    ]) {
      await assert.rejects(resolveCredential(t, write(secret)), (error) => {
        assert.ok(error instanceof Error);
        const end = secret.slice(-6).replace(/["}]*$/, '');
        assert.ok(!error.message.includes(end), error.message);
        assert.match(error.message, /file:\/path/);
        return true;
      });
    }
  }
});
