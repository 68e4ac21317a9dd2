import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { interpretDraft } from '../../src/config/interpret.ts';
import type { ConfigIssue } from '../../src/config/issues.ts';
import { formatIssues, noteInto, sortIssues } from '../../src/config/issues.ts';
import { toEnvironmentLayer, toFileLayer } from '../../src/config/layers.ts';
import { parseConfigText } from '../../src/config/read.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { isProxyError } from '../../src/errors.ts';

/** Reads a text as a file's, all the way; gives what is wrong with it. */
function findIssues(text: string): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const { draft, refuseAt } = parseConfigText(text, 'proxy.yaml', issues);
  const layers = [toFileLayer(draft, refuseAt, '.'), toEnvironmentLayer({}, noteInto(issues), '.')];
  interpretDraft({ source: 'proxy.yaml', folder: '.', draft, refuseAt, layers, env: {} });
  return sortIssues(issues);
}

/** Every issue can be shown, and its place is in the text. */
function assertShown(text: string): void {
  const issues = findIssues(text);
  const lines = text.split(/\r\n|\n|\r/);
  for (const { line, column, excerpt } of issues) {
    if (line === undefined) continue;
    assert.ok(line >= 1 && line <= lines.length + 1, `line ${line} of ${lines.length}`);
    assert.ok(column !== undefined && excerpt !== undefined && column - 1 === excerpt.start);
    assert.ok(excerpt.start + excerpt.length <= excerpt.text.length + 1);
  }
  formatIssues(issues);
}

/** Words that lead deep into the rules. */
const word = fc.constantFrom(
  'listen',
  'admin',
  'credentials',
  'routes',
  'gate',
  'path',
  'host',
  'upstream',
  'methods',
  'readOnly',
  'paths',
  'limits',
  'body',
  'rate',
  'GET',
  '/v1/**',
  '10MiB',
  '5/s',
  'stripPath',
  'token',
  'header',
  'timeout',
  'headers',
  'set',
  'remove',
  'kind',
  'account',
  'source',
  'delegates',
  'audience',
  'scopes',
  'hosts',
  'origins',
  'default',
  'adc',
  'key-file',
  'metadata',
  'impersonate',
  'id',
  'access',
  'none',
  'off',
  '/',
  '/a',
  '/../b',
  'https://a.run.app',
  'http://localhost:8080',
  'emulator:hello',
  'localhost:8080',
  '::1',
  '*',
  'null',
  '70s',
  '~/k.json',
  'r@p.iam.gserviceaccount.com',
  'user',
  'federated',
  'gcloud',
  'token',
  'jwt',
  'provider',
  'from',
  'key',
  'serviceAccount',
  'quotaProject',
  'caFile',
  'tokenTimeout',
  'universeDomain',
  'github',
  'address',
  'tls',
  'cert',
  'unix:/tmp/x.sock',
  'unix:',
  'limits',
  'connections',
  'requests',
  'protocol',
  'localize',
  'redirects',
  'cookies',
  'origin',
  'upstream',
  'forwarded',
  'both',
  'retry',
  'env:NAME',
  'env:',
  'file:~/t',
  'file:',
  'eyJhbGciOiJSUzI1NiJ9.e30.s',
  'projects/1/locations/global/workloadIdentityPools/ci/providers/gh',
  '__proto__',
  'constructor',
  '',
  '<<',
  'type',
  'service_account',
  '\ud800',
  'é',
);
const scalar = fc.oneof(word, fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double());
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium' },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof({ weight: 9, arbitrary: word }, { weight: 1, arbitrary: fc.string() }),
      tie('value'),
      { maxKeys: 5 },
    ),
  ),
}));
const text = (words: fc.Arbitrary<unknown>) =>
  fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''));
const punctuation = fc.constantFrom(
  ': ',
  '\n',
  '  ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  ', ',
  '"',
  "'",
  '#',
  '&a ',
  '*a',
  '!t ',
  '|\n',
  '>',
  '\t',
  '---\n',
  '? ',
  '%',
  '\r\n',
  '\ufeff',
  '\0',
);

test('no text at all makes reading a configuration throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), text(fc.oneof(word, punctuation))), assertShown),
    { numRuns: 1000 },
  );
});

test('no value in the shape of a configuration makes reading it throw', () => {
  const file = fc.record(
    {
      listen: value,
      admin: value,
      credentials: value,
      routes: value,
      gate: value,
      limits: value,
      caFile: value,
      tokenTimeout: value,
      universeDomain: value,
    },
    { requiredKeys: [] },
  );
  const route = fc.record(
    {
      path: scalar,
      host: scalar,
      upstream: scalar,
      stripPath: scalar,
      credentials: scalar,
      token: value,
      header: scalar,
      timeout: value,
      headers: value,
      protocol: scalar,
      localize: value,
      origin: scalar,
      forwarded: scalar,
      retry: scalar,
    },
    { requiredKeys: [] },
  );
  const credential = fc.record(
    {
      kind: word,
      account: scalar,
      source: word,
      delegates: value,
      path: scalar,
      key: scalar,
      provider: scalar,
      from: scalar,
      serviceAccount: scalar,
    },
    { requiredKeys: ['kind'] },
  );
  const listener = fc.record({ address: scalar, tls: fc.record({ cert: scalar, key: scalar }) });
  const likely = fc.record({
    listen: fc.oneof(listener, fc.array(fc.oneof(scalar, listener), { maxLength: 4 })),
    limits: fc.record({ connections: scalar, requests: scalar }),
    credentials: fc.dictionary(word, credential, { maxKeys: 4 }),
    routes: fc.array(route, { maxLength: 4 }),
    gate: fc.record({ hosts: fc.array(scalar), origins: fc.array(scalar) }),
  });
  fc.assert(
    fc.property(fc.oneof(value, file, likely), (tree) => assertShown(JSON.stringify(tree, undefined, 1))),
    { numRuns: 1000 },
  );
});

test('no arguments, variables or flags make resolving throw anything but a ProxyError', async () => {
  const env = fc.record(
    {
      GBP_LISTEN: fc.oneof(word, fc.string()),
      GBP_PORT: fc.string(),
      GBP_ADMIN: word,
      GBP_ALLOW_UNAUTHENTICATED_CLIENTS: word,
      GBP_CA_FILE: fc.string(),
      GOOGLE_CLOUD_UNIVERSE_DOMAIN: fc.oneof(word, fc.string()),
    },
    { requiredKeys: [] },
  );
  const positional = fc.oneof(
    fc.string(),
    fc.tuple(word, fc.constantFrom('=', ''), word).map((parts) => parts.join('')),
  );
  const flags = fc.record(
    { listen: fc.array(word), port: fc.double(), admin: fc.string(), caFile: fc.string() },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(positional, { minLength: 1, maxLength: 4 }),
      env,
      flags,
      async (positionals, env, flags) => {
        await resolveConfig({ flags, positionals, env, cwd: '.' }).catch((error: unknown) => {
          if (!isProxyError(error)) throw error;
        });
      },
    ),
    { numRuns: 1000 },
  );
});
