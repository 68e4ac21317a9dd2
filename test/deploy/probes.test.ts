import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createProxy } from '../../src/proxy.ts';
import { ROOT } from '../support/cli.ts';
import { readLaunches } from './manifests.ts';

const PROBES = [
  ...new Map(
    readLaunches().flatMap(({ probes }) => probes.map((probe) => [probe.join(' '), probe])),
  ).values(),
];

/** Runs a probe against another port than 9901; its exit code. */
async function ask(probe: readonly string[], port: string | number): Promise<number> {
  const [program, ...args] = probe.map((word) => word.replace(':9901/', `:${port}/`));
  assert.equal(program, '/nodejs/bin/node');
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  return code;
}

const find = (path: string): readonly string[] => {
  const probe = PROBES.find((words) => words.at(-1)?.includes(`/${path}'`));
  assert.ok(probe, path);
  return probe;
};

test('all manifests ask in the same two ways', () => {
  assert.equal(PROBES.length, 2);
});

test('R67: a probe of /readyz fails where a route has no token, one of /livez passes; both fail where nobody listens', async (t) => {
  const config = await resolveConfig({
    flags: { port: 0, admin: '127.0.0.1:0' },
    positionals: ['/orders=https://orders-abc123-an.a.run.app'],
    env: { GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/credentials.json' },
    cwd: ROOT,
  });
  const proxy = await createProxy({
    config,
    env: { GOOGLE_APPLICATION_CREDENTIALS: '/nowhere/credentials.json' },
  });
  t.after(() => proxy.close());
  const { port } = new URL(proxy.adminUrl ?? '');
  assert.deepEqual(await Promise.all([ask(find('livez'), port), ask(find('readyz'), port)]), [0, 1]);
  await proxy.close();
  assert.deepEqual(await Promise.all([ask(find('livez'), port), ask(find('readyz'), port)]), [1, 1]);
});

test('a probe of /readyz passes with 200 alone', async (t) => {
  let status = 200;
  const server = createServer((_request, response) => response.writeHead(status).end('{}'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.equal(await ask(find('readyz'), port), 0);
  status = 503;
  assert.equal(await ask(find('readyz'), port), 1);
});
