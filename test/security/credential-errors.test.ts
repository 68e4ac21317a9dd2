import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { Credential, TokenRequest } from '../../src/auth/token-source.ts';
import { isProxyError, type ProxyError } from '../../src/errors.ts';
import { ACCESS, ID, useEmulator } from '../auth/credentials/setting.ts';
import { ECHOES, type EchoingGoogle, startEchoingGoogle } from './echoing-google.ts';
import { collectTexts } from './object-graph.ts';
import { assertNoSecret, listSecrets } from './secrets.ts';

const setting = useEmulator();

/** One credential of each sort that asks Google, which is `google`. */
async function everyKind(google: EchoingGoogle): Promise<readonly (readonly [Credential, TokenRequest])[]> {
  const { credentials, accounts, federation } = setting.google;
  const rewrite = <File>(file: File): File =>
    JSON.parse(JSON.stringify(file).replaceAll(setting.google.google.url, google.origin));
  const endpoints = {
    ...setting.endpoints(),
    apisUrl: google.origin,
    metadataHost: new URL(google.origin).host,
  };
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ...githubEnv } = federation.githubEnv;
  const env = {
    ...githubEnv,
    ACTIONS_ID_TOKEN_REQUEST_URL: url.replace(setting.google.google.url, google.origin),
  };
  const find = (file: keyof typeof credentials): Credential =>
    setting.make(
      { kind: 'adc' },
      { env, endpoints: { ...endpoints, applicationDefault: rewrite(credentials[file]) } },
    );
  const given = await setting.write('given', `ya29.${'given-canary'.repeat(5)}`);
  const { github: provider } = federation.providers;
  const federated = {
    kind: 'federated',
    from: { kind: 'github', provider },
    serviceAccount: accounts.runner,
  } as const;
  return [
    [find('serviceAccount'), ID],
    [find('authorizedUser'), ID],
    [find('impersonated'), ID],
    [find('workforceUser'), ACCESS],
    [setting.make({ kind: 'metadata', account: 'default' }, { endpoints }), ID],
    [setting.make(federated, { endpoints, env }), ID],
    [setting.make({ kind: 'token', from: { kind: 'file', path: given } }, { endpoints }), ACCESS],
  ];
}

/** All of an error that somebody could see, or find. */
function toTexts(error: ProxyError): readonly string[] {
  const shown = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true });
  return [...collectTexts(error), shown, JSON.stringify(error), String(error), error.stack ?? ''];
}

test('R23: what Google or somebody in its place says about a secret is in no error, however deep', async (t) => {
  const google = await startEchoingGoogle(t, setting.google.google.url);
  const kept = listSecrets(setting.google);
  let failures = 0;
  for (const [credential, request] of await everyKind(google)) {
    for (const [name, echo] of Object.entries(ECHOES)) {
      // Each of its questions in turn.
      for (let number = 1; ; number += 1) {
        google.echo(number, echo);
        const error: unknown = await credential.mint(request).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (google.paths.length < number) break;
        if (error === undefined) continue;
        assert.ok(isProxyError(error), inspect(error));
        failures += 1;
        const where = `${credential.describe()}, ${request.kind}, question ${number}, ${name}`;
        assertNoSecret(where, toTexts(error).join('\n'), [...google.secrets, ...kept]);
      }
    }
  }
  assert.ok(failures > 80, String(failures));
});
