import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import { isProxyError, type ProxyError } from '../../src/errors.ts';
import { runCli } from '../support/cli.ts';

const ROUTE = 'https://orders-abc-an.a.run.app';

/** Why nothing starts in an environment; undefined where something does. */
async function refusal(env: Record<string, string>): Promise<ProxyError | undefined> {
  try {
    await resolveConfig({ flags: {}, positionals: [ROUTE], env, cwd: '/' });
    return undefined;
  } catch (error) {
    assert.ok(isProxyError(error));
    return error;
  }
}

test('R23: nothing starts while Node or a library is told to print tokens', async () => {
  const telltale = [
    ...['http', 'https', 'net', 'NET', 'timer,https', 'timer, net', '*', 'h*', 'http*', 'n?t,ne*', '*s'].map(
      (sections) => ({ NODE_DEBUG: sections }),
    ),
    ...['*', 'auth', 'gcp-metadata'].map((systems) => ({ GOOGLE_SDK_NODE_LOGGING: systems })),
  ];
  for (const env of telltale) {
    const error = await refusal(env);
    assert.equal(error?.code, 'unsafe_environment', JSON.stringify(env));
    assert.equal(error.exitCode, 3);
    assert.match(error.message, new RegExp(`^${Object.keys(env)[0]}`));
    assert.match(error.hint ?? '', /without it/);
  }
});

test('R23: debugging that prints no token is let be', async () => {
  for (const env of [
    {},
    { NODE_DEBUG: '' },
    { NODE_DEBUG: 'timer,stream,http2' },
    { NODE_DEBUG: 'httpx,internet,n.t' },
    { GOOGLE_SDK_NODE_LOGGING: '' },
    { DEBUG: '*' },
  ])
    assert.equal(await refusal(env), undefined, JSON.stringify(env));
});

test('R23: nothing starts while the password of the forward proxy would be printed', async () => {
  for (const DEBUG of ['*', 'express:*,https-proxy-*', 'x https-proxy-agent']) {
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY']) {
      const error = await refusal({ DEBUG, [name]: 'http://me:canary@proxy.example:3128' });
      assert.equal(error?.code, 'unsafe_environment');
      assert.doesNotMatch(error.message + error.hint, /canary|proxy\.example/);
      assert.equal(await refusal({ DEBUG, [name]: 'http://proxy.example:3128' }), undefined);
    }
  }
  const HTTPS_PROXY = 'http://me:canary@proxy.example:3128';
  assert.equal(await refusal({ DEBUG: 'express:*', HTTPS_PROXY }), undefined);
});

test('R23: a token for an audience alone is not printed by debugging either', async (t) => {
  const { code, stderr } = await runCli(t, ['token', ROUTE], { env: { NODE_DEBUG: 'https' } });
  assert.equal(code, 3);
  assert.match(stderr, /NODE_DEBUG covers "https"/);
});
