import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RunningCli, startCli } from '../support/cli.ts';
import { readBody, startUpstream } from '../support/sockets.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

const skip = process.platform === 'win32' ? 'Windows has no signals' : false;

interface Scene {
  readonly cli: RunningCli;
  readonly url: string;
  readonly admin: string;
  readonly cwd: string;
  /** A request that has come to the upstream, and what it is answered with. */
  begin(): Promise<{ readonly upstream: ServerResponse; readonly reply: Promise<string> }>;
  write(yaml: string): Promise<void>;
  readonly yaml: string;
}

async function setScene(t: TestContext, args: readonly string[] = []): Promise<Scene> {
  let arrived = Promise.withResolvers<ServerResponse>();
  const { origin } = await startUpstream(t, (_request, response) => arrived.resolve(response));
  const cwd = await createFolder(t);
  const yaml = `credentials: { default: { kind: none } }\nroutes: [{ path: /, upstream: "${origin}" }]\n`;
  const write = (text: string): Promise<void> => writeFile(join(cwd, 'proxy.yaml'), text);
  await write(yaml);
  const cli = startCli(t, ['--port', '0', '--json-ready', ...args], { cwd });
  const { addresses, adminUrl } = await cli.ready<ReadyLine>();
  const url = addresses[0] ?? '';
  return {
    cli,
    url,
    admin: adminUrl ?? '',
    cwd,
    yaml,
    write,
    async begin() {
      arrived = Promise.withResolvers<ServerResponse>();
      const request = httpRequest(url).end();
      const reply = once(request, 'response').then(async ([response]) => String(await readBody(response)));
      reply.catch(() => {});
      return { upstream: await arrived.promise, reply };
    },
  };
}

for (const [signal, args, expected] of [
  ['SIGTERM', [], 143],
  ['SIGTERM', ['--exit-zero-on-sigterm'], 0],
  ['SIGINT', [], 0],
] as const) {
  test(`R65: ${[signal, ...args].join(' with ')} lets requests finish, and ends with ${expected}`, {
    skip,
  }, async (t) => {
    const { cli, begin } = await setScene(t, args);
    const { upstream, reply } = await begin();
    cli.child.kill(signal);
    await cli.seen(`Stopping (${signal})`);
    upstream.end('whole');
    assert.equal(await reply, 'whole');
    assert.equal((await cli.ended).code, expected);
  });
}

for (const [signal, expected] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  test(`R65: a second ${signal} ends it at once, with ${expected}`, { skip }, async (t) => {
    const { cli, begin } = await setScene(t, ['--exit-zero-on-sigterm', '--drain-timeout', '24h']);
    const { reply } = await begin();
    cli.child.kill(signal);
    await cli.seen(`Stopping (${signal})`);
    cli.child.kill(signal);
    assert.equal((await cli.ended).code, expected);
    await assert.rejects(reply);
  });
}

test('R65: at --drain-timeout what is under way is broken off', { skip }, async (t) => {
  const { cli, begin } = await setScene(t, ['--drain-timeout', '50ms']);
  const { reply } = await begin();
  cli.child.kill('SIGTERM');
  await assert.rejects(reply, { code: 'ECONNRESET' });
  assert.equal((await cli.ended).code, 143);
});

test('R66: SIGHUP and POST /reload read the file again; what is wrong is said, and the one before stays', {
  skip,
}, async (t) => {
  const { cli, url, admin, cwd, yaml, write } = await setScene(t, [
    '--no-watch',
    '--admin-token-file',
    'token',
  ]);
  const authorization = `Bearer ${(await readFile(join(cwd, 'token'), 'utf8')).trimEnd()}`;
  const post = () => send(admin, '/reload', 'POST', { Authorization: authorization });
  assert.equal((await send(admin, '/reload', 'POST')).status, 403);
  const closed = yaml.replace('path: /,', 'path: /closed, methods: [POST],');

  await write(closed);
  cli.child.kill('SIGHUP');
  await cli.seen('Reloaded (SIGHUP): route / removed; route /closed added.');
  assert.equal((await send(url, '/closed')).status, 403);

  await write('routes: [{ path: /, upstrm: x }, { pth: / }]');
  cli.child.kill('SIGHUP');
  await cli.seen('Not reloaded (SIGHUP), the configuration before stays in force.');
  const mistakes = await post();
  assert.equal(mistakes.status, 500);
  const { code, message } = mistakes.json<{ error: { code: string; message: string } }>().error;
  assert.equal(code, 'config_invalid');
  assert.match(message, /proxy\.yaml:1:21: .*"upstrm"[\s\S]*proxy\.yaml:1:36: .*"pth"/);
  assert.equal((await send(url, '/closed')).status, 403);

  await write(`listen: 127.0.0.1:1\n${closed}`);
  const refused = await post();
  assert.equal(refused.status, 409);
  assert.match(refused.text, /"restart_needed"[\s\S]*\\"listen\\" has changed/);
  await write(`admin: 127.0.0.1:1\n${closed}`);
  assert.equal((await post()).status, 200, 'a variable goes before what the file says');
  await write(closed.replace('methods: [POST]', 'methods: [PUT]'));
  const changed = await post();
  assert.equal(changed.status, 200);
  assert.deepEqual(changed.json(), { status: 'reloaded', changes: ['route /closed changed (methods)'] });
  await cli.seen('Reloaded (POST /reload): route /closed changed (methods).');
  assert.equal((await cli.stop()).code, 0);
});

test('R66: what stands in at the start stands in for what is read again, and the port file stays', {
  skip,
}, async (t) => {
  const { cli, url, cwd, write } = await setScene(t, ['--no-watch', '--emulate', '--port-file', 'port']);
  const toYaml = (path: string): string =>
    `routes: [{ path: /same, upstream: "https://same.a.run.app" }, { path: ${path}, upstream: "https://other.a.run.app" }]`;
  for (const path of ['/one', '/two']) {
    await write(toYaml(path));
    cli.child.kill('SIGHUP');
    await cli.seen(`route ${path} added`);
    for (const target of ['/same', path]) {
      const { status, text } = await send(url, target);
      assert.equal(status, 200, text);
      assert.match(text, /SIGNATURE_REMOVED_BY_GOOGLE/);
    }
  }
  assert.equal(await readFile(join(cwd, 'port'), 'utf8'), `${new URL(url).port}\n`);
  assert.equal((await cli.stop()).code, 0);
  await assert.rejects(readFile(join(cwd, 'port')), { code: 'ENOENT' });
});
