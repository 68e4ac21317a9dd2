import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { startCli } from '../support/cli.ts';
import { startUpstream } from '../support/sockets.ts';
import { createFolder, type ReadyLine, send } from '../support/stack.ts';

for (const [how, args, env] of [
  ['--admin-token-file', ['--admin-token-file', 'admin.token'], {}],
  ['GBP_ADMIN_TOKEN_FILE', [], { GBP_ADMIN_TOKEN_FILE: 'admin.token' }],
] as const) {
  test(`R10, R65: with ${how} whoever reads the file ends the program by POST /quit, once requests are over`, async (t) => {
    const arrived = Promise.withResolvers<ServerResponse>();
    const { origin } = await startUpstream(t, (_request, response) => arrived.resolve(response));
    const cwd = await createFolder(t);
    const routes = `routes: [{ path: /, upstream: "${origin}", token: none }]`;
    await writeFile(join(cwd, 'proxy.yaml'), routes);
    const cli = startCli(t, ['--port', '0', '--json-ready', ...args], { cwd, env });
    const { addresses, adminUrl } = await cli.ready<ReadyLine>();
    const admin = adminUrl ?? '';
    const token = (await readFile(join(cwd, 'admin.token'), 'utf8')).trimEnd();
    assert.equal((await send(admin, '/quit')).status, 405);
    assert.equal((await send(admin, '/quit', 'POST')).status, 403);
    assert.equal(cli.child.exitCode, null);

    const reply = send(addresses[0] ?? '', '/');
    const upstream = await arrived.promise;
    const quit = () => send(admin, '/quit', 'POST', { Authorization: `Bearer ${token}` });
    assert.equal((await quit()).status, 202);
    assert.equal((await quit()).status, 202, 'asking again changes nothing');
    assert.equal((await send(admin, '/readyz')).status, 503);
    upstream.end('whole');
    assert.equal((await reply).text, 'whole');

    const { code, stdout, stderr } = await cli.ended;
    assert.equal(code, 0);
    assert.match(stderr, /Stopping \(POST \/quit\)/);
    assert.ok(!`${stdout}${stderr}`.includes(token));
    assert.deepEqual(await readdir(cwd), ['proxy.yaml']);
  });
}

test('R10: without a token file POST /quit ends nothing, and names the flag', async (t) => {
  const cli = startCli(t, ['/=emulator:hello', '--port', '0', '--json-ready'], {
    cwd: await createFolder(t),
  });
  const { adminUrl } = await cli.ready<ReadyLine>();
  const reply = await send(adminUrl ?? '', '/quit', 'POST', { Authorization: 'Bearer guess' });
  assert.equal(reply.status, 403);
  assert.match(reply.text, /--admin-token-file FILE/);
  assert.equal((await send(adminUrl ?? '', '/livez')).status, 200);
  assert.equal((await cli.stop()).code, 0);
});

test('R10: a token file that can’t be had ends the program before it serves anybody', async (t) => {
  const cwd = await createFolder(t);
  const args = ['/=emulator:hello', '--port', '0', '--admin-token-file', join('nowhere', 'admin.token')];
  const { code, stderr } = await startCli(t, args, { cwd }).ended;
  assert.equal(code, 3);
  assert.match(
    stderr,
    /token file .*admin\.token can't be written \(ENOENT\)\.\n {2}The folder has to exist/,
  );
});
