import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createTokenCache } from '../../../src/auth/token-cache.ts';
import type { Credential, TokenRequest } from '../../../src/auth/token-source.ts';
import { systemClock } from '../../../src/clock.ts';
import type { CredentialConfig } from '../../../src/config/config.ts';
import { createFakeGcloud } from './fake-gcloud.ts';
import { failure, ID, impersonate, type MakeOptions, SIGNED, useEmulator } from './setting.ts';
import { toUnsignedJwt } from './unsigned-jwt.ts';

/** The table of credentials in the README: who, and one cell for each sort of token. */
const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const CELL = '((?:yes|no)[^|]*?)';
const ROWS = [
  ...README.matchAll(new RegExp(`^\\| (\`[^|]*?) +\\| ${CELL} +\\| ${CELL} +\\| ${CELL} +\\|$`, 'gm')),
].map(([, name = '', id = '', access = '', signed = '']) => ({ name, cells: { id, access, jwt: signed } }));

const ACCESS: TokenRequest = {
  kind: 'access',
  scopes: ['https://www.googleapis.com/auth/cloud-platform'],
};
const REQUESTS = { id: ID, access: ACCESS, jwt: SIGNED } as const;
const CALLERS = 1_000;

const setting = useEmulator();

/** Makes the credential of each row. */
async function prepare(): Promise<ReadonlyMap<string, Credential>> {
  const { google } = setting;
  const { githubEnv, awsEnv, providers, issueOidcToken } = google.federation;
  const { runner } = google.accounts;
  const make = (config: CredentialConfig, options?: MakeOptions): Credential => setting.make(config, options);
  const find = (file: Parameters<typeof setting.endpoints>[0]): Credential =>
    make({ kind: 'adc' }, { endpoints: setting.endpoints(file) });
  const file = async (name: string, content: unknown) =>
    ({ kind: 'file', path: await setting.write(name, content) }) as const;
  const { url: apisUrl, metadataHost } = google.google;
  const key = google.credentials.serviceAccount;
  const login = await file('login.json', google.credentials.authorizedUser);
  const workforce = await file('workforce.json', google.credentials.workforceUser);
  const github = await file('github.json', google.credentials.federatedGithub);
  const oidc = await file('oidc.txt', await issueOidcToken());
  const idToken = (await find('serviceAccount').mint(ID)).value;
  const accessToken = (await find('serviceAccount').mint(ACCESS)).value;
  const federate = (from: (CredentialConfig & { kind: 'federated' })['from'], env = {}): Credential =>
    make({ kind: 'federated', from, serviceAccount: runner }, { env });
  const gcloud = await createFakeGcloud(setting.path(''));
  await gcloud.answer(...toGcloudAnswers());
  return new Map([
    ['`adc`: a service account’s key', find('serviceAccount')],
    ['`adc`: a login', find('authorizedUser')],
    ['`adc`: a workforce login', find('workforceUser')],
    ['`adc`: an impersonated account', find('impersonated')],
    ['`adc`: workload identity federation with a service account', find('federatedGithubRunner')],
    ['`adc`: workload identity federation alone', find('federatedGithub')],
    [
      '`adc`: the metadata server',
      make(
        { kind: 'adc' },
        { endpoints: { metadataHost, apisUrl }, env: { METADATA_SERVER_DETECTION: undefined } },
      ),
    ],
    ['`adc`: nothing', make({ kind: 'adc' }, { endpoints: { apisUrl } })],
    ['`key-file`: `path`', make({ kind: 'key-file', key: await file('key.json', key) })],
    [
      '`key-file`: `key: env:…`',
      make({ kind: 'key-file', key: { kind: 'env', name: 'KEY' } }, { env: { KEY: JSON.stringify(key) } }),
    ],
    ['`user`', make({ kind: 'user', path: login.path })],
    ['`user`: a workforce login', make({ kind: 'user', path: workforce.path })],
    ['`impersonate`', make(impersonate(runner))],
    ['`metadata`', make({ kind: 'metadata', account: 'default' })],
    [
      '`federated`: `path`',
      make({ kind: 'federated', from: { kind: 'config-file', path: github.path }, serviceAccount: runner }),
    ],
    ['`federated`: `from: github`', federate({ kind: 'github', provider: providers.github }, githubEnv)],
    ['`federated`: `from: aws`, keys', federate({ kind: 'aws', provider: providers.aws }, awsEnv)],
    ['`federated`: `from: aws`, instance', federate({ kind: 'aws', provider: providers.aws })],
    [
      '`federated`: `from: file:…`',
      federate({ kind: 'token-file', provider: providers.github, path: oidc.path }),
    ],
    [
      '`federated` without `serviceAccount`',
      make(
        {
          kind: 'federated',
          from: { kind: 'github', provider: providers.github },
          serviceAccount: undefined,
        },
        { env: githubEnv },
      ),
    ],
    [
      '`gcloud`: a service account',
      make({ kind: 'gcloud', account: ROBOT }, { endpoints: { apisUrl }, env: gcloud.env }),
    ],
    [
      '`gcloud`: a person',
      make({ kind: 'gcloud', account: PERSON }, { endpoints: { apisUrl }, env: gcloud.env }),
    ],
    ['`token`: an ID token', make({ kind: 'token', from: await file('id-token', idToken) })],
    ['`token`: an access token', make({ kind: 'token', from: await file('access-token', accessToken) })],
    ['`none`', make({ kind: 'none' })],
  ]);
}

const PERSON = 'ann@example.com';
const ROBOT = 'robot@p.iam.gserviceaccount.com';

/** What the gcloud command prints for the two. */
function toGcloudAnswers() {
  const iat = Math.floor(Date.now() / 1_000);
  const tell = (claims: object): string =>
    JSON.stringify({ id_token: toUnsignedJwt({ iat, exp: iat + 3_600, ...claims }) });
  const helper = {
    credential: { access_token: 'ya29.a0AfB', token_expiry: new Date((iat + 3_600) * 1_000).toISOString() },
    configuration: { properties: { core: { account: PERSON } } },
  };
  return [
    { when: '--audiences', stdout: tell({ aud: ID.kind === 'id' ? ID.audience : '', email: ROBOT }) },
    {
      when: 'print-identity-token',
      stdout: tell({ aud: '32555940559.apps.googleusercontent.com', email: PERSON }),
    },
    { when: 'config-helper', stdout: JSON.stringify(helper) },
  ];
}

test('the README has every credential of this test in its table, and no other', async () => {
  assert.deepEqual(
    ROWS.map(({ name }) => name),
    [...(await prepare()).keys()],
  );
});

test('R59: what the README says of each credential and sort of token is so, and 1000 callers are one mint', async (t) => {
  for (const [name, credential] of await prepare()) {
    const cells = ROWS.find((row) => row.name === name)?.cells;
    assert.ok(cells, name);
    for (const kind of ['id', 'access', 'jwt'] as const) {
      await t.test(`${name}, ${kind}: ${cells[kind]}`, () =>
        checkCell(cells[kind], credential, REQUESTS[kind]),
      );
    }
  }
});

async function checkCell(cell: string, credential: Credential, request: TokenRequest): Promise<void> {
  const role = /^yes, with `(roles\/[\w.]+)`/.exec(cell)?.[1];
  if (role !== undefined) {
    assert.match((await failure(credential, request)).hint ?? '', new RegExp(`--role=${role}`));
  } else if (cell.startsWith('yes')) {
    await checkOneMint(credential, request, / for its OAuth client/.test(cell));
  } else {
    const said = /^no: \*(.+)\*$/.exec(cell)?.[1] ?? assert.fail(cell);
    const error = await failure(credential, request);
    assert.equal(error.code, 'credentials_invalid');
    assert.ok(error.message.endsWith(`${said}.`), `${error.message} ends with ${said}`);
    assert.ok(error.hint !== undefined, 'and what to do about it');
  }
}

async function checkOneMint(
  credential: Credential,
  request: TokenRequest,
  isForOther: boolean,
): Promise<void> {
  let mints = 0;
  const counting: Credential = {
    ...credential,
    mint: (order) => {
      mints += 1;
      return credential.mint(order);
    },
  };
  const cache = createTokenCache({ clock: systemClock });
  try {
    const source = cache.source(counting, request);
    const tokens = await Promise.all(Array.from({ length: CALLERS }, () => source.obtain()));
    assert.equal(mints, 1);
    assert.equal(new Set(tokens).size, 1);
    assert.equal(tokens[0]?.otherAudience !== undefined, isForOther);
  } finally {
    cache.close();
  }
}
