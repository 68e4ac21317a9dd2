import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createProxy } from '../../src/proxy.ts';
import { createFolder } from '../support/stack.ts';
import { startApp } from './app.ts';
import { FOREIGN_HOST, follow, launchChromium, openPage } from './chromium.ts';

// What pages can do at the admin port, in a real browser: `npm run test:browser`.

const browser = await launchChromium();
after(() => browser.close());

/** Each tries to end the proxy, or to read what it tells; the last line is what became of it. */
const TRIES: Readonly<Record<string, string>> = {
  'a simple POST': `fetch(admin + '/quit', { method: 'POST', mode: 'no-cors', body: 'x' }).then(() => 'sent')`,
  'a POST with the token': `fetch(admin + '/quit', { method: 'POST', headers: { Authorization: 'Bearer ' + token } })`,
  'a POST with the token where a simple one has room': `fetch(admin + '/quit?token=' + token, { method: 'POST', mode: 'no-cors', body: 'Authorization: Bearer ' + token })`,
  'a beacon': `Promise.resolve(navigator.sendBeacon(admin + '/quit', token))`,
  'reading the state': `fetch(admin + '/readyz').then((r) => r.text())`,
};

for (const page of ['foreign', 'local'] as const) {
  for (const [what, script] of Object.entries(TRIES)) {
    test(`R10: ${what} by a ${page} page doesn’t end the proxy and learns nothing`, async (t) => {
      const cwd = await createFolder(t);
      const flags = { port: 0, admin: '127.0.0.1:0', adminTokenFile: 'admin.token' };
      const config = await resolveConfig({ flags, positionals: ['/=emulator:hello'], env: {}, cwd });
      let quits = 0;
      const onQuit = (): void => {
        quits += 1;
      };
      const proxy = await createProxy({ config, env: {}, onQuit });
      t.after(() => proxy.close(0));
      const token = (await readFile(join(cwd, 'admin.token'), 'utf8')).trimEnd();
      const app = await startApp(t, { '/': 'a page' });
      const tab = await openPage(t, browser);
      const origin = page === 'local' ? app.origin : app.origin.replace('127.0.0.1', FOREIGN_HOST);
      await tab.goto(`${origin}/`);
      const learnt = await tab.evaluate(
        `(() => { const admin = '${proxy.adminUrl}', token = '${token}'; return ${script}.then(String, ({ name }) => name) })()`,
      );
      assert.match(String(learnt), /^(?:TypeError|sent|true|\[object Response\])$/);
      assert.equal(quits, 0);

      const end = await fetch(`${proxy.adminUrl}/quit`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.deepEqual([end.status, quits], [202, 1], 'the same without a page works');
    });
  }
}

test('R10: a form of a foreign page gets the refusal, and nothing ends', async (t) => {
  const cwd = await createFolder(t);
  const flags = { port: 0, admin: '127.0.0.1:0', adminTokenFile: 'admin.token' };
  const config = await resolveConfig({ flags, positionals: ['/=emulator:hello'], env: {}, cwd });
  const proxy = await createProxy({ config, env: {}, onQuit: () => assert.fail('nobody may') });
  t.after(() => proxy.close(0));
  const stranger = await startApp(t, {
    '/': `<form method="post" action="${proxy.adminUrl}/quit"><button>Win</button></form>`,
  });
  const tab = await openPage(t, browser);
  await tab.goto(`${stranger.origin.replace('127.0.0.1', FOREIGN_HOST)}/`);
  await follow(tab.locator('button'));
  assert.match(await tab.innerText('body'), /"origin_not_allowed"/);
});
