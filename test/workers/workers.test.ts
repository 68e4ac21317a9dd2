import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { createClientSecret } from '../../src/gate/client-secret.ts';
import { makeSignInLink } from '../../src/sign-in-link.ts';
import { createTestAuthority } from '../support/certificates.ts';
import { runCli, startCli } from '../support/cli.ts';
import { scrape } from '../support/exposition.ts';
import { openWebSocket, SWITCHED } from '../support/handshakes.ts';
import { readUntil, startRawUpstream, startUpstream } from '../support/sockets.ts';
import { createFolder, type ReadyLine, type Stack, send, startStack } from '../support/stack.ts';
import { type Answered, askOnce, findPids, gone, keepAsking, readLog, seeUp } from './scene.ts';

const skip = process.platform === 'win32' ? 'Windows has no signals' : false;

const SECRET = '5up3r-53cr3t-0f-th3-c113nt5-0n1y';

function startWorkers(
  t: TestContext,
  options: { routes?: string; args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<Stack> {
  const { routes = '  - { path: /, upstream: "<hello>" }', args = [], env = {} } = options;
  return startStack(t, {
    emulator: { services: ['hello'] },
    routes,
    args: ['--workers', '2', ...args],
    env: async () => env,
  });
}

const succeeded = (answers: readonly (Answered | Error)[]): boolean =>
  answers.every((answer) => !(answer instanceof Error) && answer.status === 200);

test('all workers serve with one token, minted once; what they count is added up', async (t) => {
  const { emulator, cli, url, ready } = await startWorkers(t, {
    routes: '  - { path: /one, upstream: "<hello>" }\n  - { path: /two, upstream: "<hello>" }',
  });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => askOnce(url, i % 2 === 0 ? '/one' : '/two')),
  );
  assert.ok(succeeded(answers), JSON.stringify(answers));
  assert.equal(emulator.mints.length, 1, 'one audience, one mint, however many processes');
  const { samples } = await scrape(String(ready.adminUrl));
  assert.equal(samples.get('gbp_requests_total{route="/one",method="GET",status="2xx"}'), 10);
  assert.equal(samples.get('gbp_requests_total{route="/two",method="GET",status="2xx"}'), 10);
  assert.equal(samples.get('gbp_token_age_seconds_count{route="/one"}'), 10);
  assert.equal(samples.get('gbp_workers'), 2);
  assert.equal(samples.get('gbp_workers_running'), 2);
  assert.equal(samples.get('gbp_worker_restarts_total'), 0);
  for (const worker of ['primary', '1', '2'])
    assert.ok((samples.get(`process_resident_memory_bytes{worker="${worker}"}`) ?? 0) > 0, worker);
  const readiness = (await send(String(ready.adminUrl), '/readyz')).json<Record<string, object>>();
  assert.deepEqual(readiness.workers, { running: 2, count: 2 });

  await cli.stop();
  const requests = readLog(cli).filter(({ requestId }) => requestId !== undefined);
  assert.equal(requests.length, 20);
  for (const worker of [1, 2])
    assert.equal(requests.filter((line) => line.worker === worker).length, 10, 'evenly');
  assert.equal(new Set(requests.map(({ requestId }) => requestId)).size, 20, 'no id is there twice');
});

test('a worker that is killed is started again, and meanwhile the others serve', { skip }, async (t) => {
  const { cli, url, ready, emulator } = await startWorkers(t);
  const pids = await findPids(cli);
  const load = keepAsking(url, '/');
  await load.begun;
  const counted = async (): Promise<number> => {
    const { samples } = await scrape(String(ready.adminUrl));
    return samples.get('gbp_requests_total{route="/",method="GET",status="2xx"}') ?? 0;
  };
  const before = await counted();
  process.kill(pids.get(1) ?? 0, 'SIGKILL');
  await cli.seen('Worker 1 (pid');
  assert.ok((await counted()) >= before, 'no sum gets less');
  assert.equal((await send(String(ready.adminUrl), '/readyz')).status, 200);
  await seeUp(cli, 3);
  const failed = (await load.stop()).filter((answer) => answer instanceof Error || answer.status !== 200);
  // Of four that ask: what it carried, and what was given to it before its end was heard of.
  assert.ok(failed.length <= 8, `${failed.length} of ${load.answers.length} failed`);
  assert.notEqual((await findPids(cli)).get(1), pids.get(1));
  assert.equal((await findPids(cli)).get(2), pids.get(2));
  const { samples } = await scrape(String(ready.adminUrl));
  assert.equal(samples.get('gbp_worker_restarts_total'), 1);
  assert.equal(samples.get('gbp_workers_running'), 2);
  assert.ok((samples.get('gbp_requests_total{route="/",method="GET",status="2xx"}') ?? 0) >= before);
  assert.equal(emulator.mints.length, 1);
  assert.match(cli.output.stderr, /Worker 1 \(pid \d+\) has ended \(SIGKILL\)/);
  assert.equal((await cli.stop()).code, 0);
});

test('when all workers are gone nothing is ready, and who comes waits for the first that is back', {
  skip,
}, async (t) => {
  const { cli, url, ready } = await startWorkers(t);
  const admin = String(ready.adminUrl);
  assert.equal((await scrape(admin)).samples.get('gbp_workers_running'), 2);
  for (const pid of (await findPids(cli)).values()) process.kill(pid, 'SIGKILL');
  await cli.seen('Worker 1 (pid');
  await cli.seen('Worker 2 (pid');
  const readiness = await send(admin, '/readyz');
  assert.equal(readiness.status, 503);
  assert.equal(readiness.json<{ reason: string }>().reason, 'no worker is running');
  assert.equal((await scrape(admin)).samples.get('gbp_workers_running'), 0);
  assert.equal((await askOnce(url, '/')).status, 200, 'at the same port');
  await seeUp(cli, 4);
  assert.equal((await send(admin, '/readyz')).status, 200);
});

test('a reload holds for all workers or none, and no request fails of it', { skip }, async (t) => {
  const { cli, url, ready, dir } = await startWorkers(t, {
    args: ['--no-watch', '--admin-token-file', 'token'],
  });
  const authorization = `Bearer ${(await readFile(join(dir, 'token'), 'utf8')).trimEnd()}`;
  const reload = () => send(String(ready.adminUrl), '/reload', 'POST', { Authorization: authorization });
  const yaml = await readFile(join(dir, 'proxy.yaml'), 'utf8');
  const everywhere = (path: string) =>
    Promise.all(Array.from({ length: 6 }, () => askOnce(url, path).then(({ status }) => status)));
  const load = keepAsking(url, '/');
  await load.begun;
  for (const round of [1, 2, 3]) {
    await writeFile(
      join(dir, 'proxy.yaml'),
      `${yaml}  - { path: /new${round}, upstream: "${/"(http[^"]*)"/.exec(yaml)?.[1]}", methods: [POST] }\n`,
    );
    assert.equal((await reload()).status, 200);
    assert.deepEqual(await everywhere(`/new${round}`), Array(6).fill(403));
    await writeFile(join(dir, 'proxy.yaml'), 'routes: [{ pth: / }]\n');
    assert.equal((await reload()).status, 500);
    assert.deepEqual(await everywhere(`/new${round}`), Array(6).fill(403));
  }
  assert.ok(succeeded(load.answers), 'no request has failed of three reloads and three that were refused');
  const pids = await findPids(cli);
  process.kill(pids.get(2) ?? 0, 'SIGKILL');
  await seeUp(cli, 3);
  assert.deepEqual(await everywhere('/new3'), Array(6).fill(403), 'a new worker goes by what is in force');
  const answers = await load.stop();
  const failed = answers.filter((answer) => answer instanceof Error || answer.status !== 200);
  assert.ok(failed.length <= 8, 'none but what the killed one carried');
});

test('requests under way finish, and the exit code is that of one process', { skip }, async (t) => {
  const arrived = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, async (_request, response) => {
    arrived.resolve();
    await go.promise;
    response.end('whole');
  });
  const { cli, url } = await startStack(t, {
    credentials: 'default: { kind: none }',
    routes: `  - { path: /, upstream: "${origin}" }`,
    args: ['--workers', '2'],
  });
  const pids = [...(await findPids(cli)).values()];
  const reply = askOnce(url, '/');
  await arrived.promise;
  // As a terminal does: to every process it has started.
  for (const pid of [...pids, cli.child.pid ?? 0]) process.kill(pid, 'SIGTERM');
  await cli.seen('Stopping (SIGTERM)');
  await assert.rejects(askOnce(url, '/'), /ECONNREFUSED|ECONNRESET/);
  go.resolve();
  assert.deepEqual(await reply, { status: 200, text: 'whole' });
  assert.equal((await cli.ended).code, 143);
  await gone(pids);
});

test('a second signal ends everything at once', { skip }, async (t) => {
  const arrived = Promise.withResolvers<void>();
  const { origin } = await startUpstream(t, () => arrived.resolve());
  const { cli, url } = await startStack(t, {
    credentials: 'default: { kind: none }',
    routes: `  - { path: /, upstream: "${origin}" }`,
    args: ['--workers', '2', '--drain-timeout', '24h'],
  });
  const pids = [...(await findPids(cli)).values()];
  const reply = askOnce(url, '/');
  await arrived.promise;
  const failed = assert.rejects(reply);
  cli.child.kill('SIGTERM');
  await cli.seen('Stopping (SIGTERM)');
  cli.child.kill('SIGTERM');
  // Also the end of what the workers write.
  assert.equal((await cli.ended).code, 143);
  await failed;
  await gone(pids);
});

test('workers whose primary is killed end by themselves', { skip }, async (t) => {
  const { cli } = await startWorkers(t);
  const pids = [...(await findPids(cli)).values()];
  cli.child.kill('SIGKILL');
  // `ended` waits for everybody who could still write there.
  assert.equal((await cli.ended).code, null);
  assert.equal(pids.length, 2);
  await gone(pids);
});

test('a WebSocket is told of the end, whichever worker has it', { skip }, async (t) => {
  const { origin } = await startRawUpstream(t, (socket) => {
    readUntil(socket, '\r\n\r\n').then(
      () => socket.write(SWITCHED),
      () => {},
    );
  });
  const { cli, url } = await startStack(t, {
    credentials: 'default: { kind: none }',
    routes: `  - { path: /, upstream: "${origin}" }`,
    args: ['--workers', '2', '--drain-timeout', '50ms'],
  });
  const sockets = [await openWebSocket(t, url), await openWebSocket(t, url)];
  const goodbyes = sockets.map((socket) => once(socket, 'data'));
  cli.child.kill('SIGTERM');
  for (const [frame] of await Promise.all(goodbyes)) {
    assert.equal(frame[0], 0x88, 'a close frame');
    assert.equal(frame.readUInt16BE(2), 1001, 'going away');
  }
  assert.equal((await cli.ended).code, 143);
});

test('a sign-in link is used once on the whole machine, and what it sets holds everywhere', {
  skip,
}, async (t) => {
  const { cli, url } = await startWorkers(t, {
    args: ['--client-secret', 'env:KNOCK'],
    env: { KNOCK: SECRET },
  });
  const { port } = new URL(url);
  const secret = createClientSecret(SECRET, new Uint8Array(32));
  const link = makeSignInLink(secret, `http://localhost:${port}`, Date.now());
  const target = link.slice(link.indexOf('/.gcp'));
  const host = { Host: `localhost:${port}` };
  const tries = await Promise.all(Array.from({ length: 12 }, () => send(url, target, 'GET', host)));
  assert.deepEqual(tries.map(({ status }) => status).sort(), [303, ...Array(11).fill(403)]);
  const signedIn = tries.find(({ status }) => status === 303);
  const [cookie = ''] = String(signedIn?.headers['set-cookie']).split(';');
  const everywhere = () =>
    Promise.all(
      Array.from({ length: 6 }, () =>
        askOnce(url, '/', { ...host, Cookie: cookie }).then(({ status }) => status),
      ),
    );
  assert.deepEqual(await everywhere(), Array(6).fill(200));
  assert.equal((await askOnce(url, '/', host)).status, 401);
  process.kill((await findPids(cli)).get(1) ?? 0, 'SIGKILL');
  await seeUp(cli, 3);
  assert.deepEqual(await everywhere(), Array(6).fill(200), 'a new worker knows the same cookies');
  const again = await Promise.all(Array.from({ length: 4 }, () => send(url, target, 'GET', host)));
  assert.deepEqual(
    again.map(({ status }) => status),
    Array(4).fill(403),
  );
});

test('a rate is what was written, not so much for each worker', async (t) => {
  const { url } = await startWorkers(t, {
    routes: '  - { path: /, upstream: "<hello>", limits: { rate: 3/h } }',
  });
  const answers = await Promise.all(Array.from({ length: 12 }, () => askOnce(url, '/')));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [
    ...Array(3).fill(200),
    ...Array(9).fill(429),
  ]);
});

test('a port in use is said as by one process, with the same exit code', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const args = ['emulator:hello', '--listen', `127.0.0.1:${port}`];
  const [one, several] = [await runCli(t, args), await runCli(t, [...args, '--workers', '2'])];
  assert.equal(several.code, 5);
  assert.equal(one.code, 5);
  assert.equal(several.stderr, one.stderr);
});

test('several listeners, both families, a Unix socket: as with one process', { skip }, async (t) => {
  const cwd = await createFolder(t);
  const cli = startCli(
    t,
    [
      'emulator:hello',
      '--workers',
      '2',
      '--json-ready',
      '--listen',
      'localhost:0',
      '--listen',
      '127.0.0.1:0',
      '--listen',
      'unix:proxy.sock',
    ],
    { cwd },
  );
  const { addresses } = await cli.ready<ReadyLine>();
  const urls = addresses.filter((address) => address.startsWith('http'));
  assert.ok(urls.length >= 2, addresses.join());
  for (const url of [...urls, ...urls])
    assert.equal((await askOnce(url, '/', { Host: 'localhost' })).status, 200);
  const socket = createConnection({ path: join(cwd, 'proxy.sock') });
  t.after(() => socket.destroy());
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 200 /);
  assert.equal((await cli.stop()).code, 0);
  await assert.rejects(readFile(join(cwd, 'proxy.sock')), { code: 'ENOENT' });
});

test('a worker’s environment holds no secret of the proxy', {
  skip: process.platform === 'linux' ? false : 'looked up in /proc',
}, async (t) => {
  const { cli, emulator } = await startWorkers(t, {
    args: ['--client-secret', 'env:KNOCK'],
    env: { KNOCK: SECRET, GBP_OTHER: 'kept back' },
  });
  for (const pid of (await findPids(cli)).values()) {
    const seen =
      (await readFile(`/proc/${pid}/environ`, 'latin1')) + (await readFile(`/proc/${pid}/cmdline`, 'latin1'));
    assert.match(seen, /PATH=/);
    for (const secret of [SECRET, 'kept back', ...emulator.mints.map(({ value }) => value)])
      assert.ok(!seen.includes(secret));
  }
});

test('one that hangs holds up neither metrics nor readiness nor those who are served by others', {
  skip,
}, async (t) => {
  const { cli, url, ready } = await startWorkers(t);
  const admin = String(ready.adminUrl);
  assert.equal((await askOnce(url, '/')).status, 200);
  assert.equal((await askOnce(url, '/')).status, 200);
  const series = 'gbp_requests_total{route="/",method="GET",status="2xx"}';
  assert.equal((await scrape(admin)).samples.get(series), 2);
  const hung = (await findPids(cli)).get(1) ?? 0;
  process.kill(hung, 'SIGSTOP');
  t.after(() => process.kill(hung, 'SIGCONT'));
  assert.equal((await scrape(admin)).samples.get(series), 2, 'what it said last counts');
  assert.equal((await send(admin, '/readyz')).status, 200);
  // One connection may be on its way to it; all others are not.
  const answers = Array.from({ length: 6 }, () => askOnce(url, '/').then(({ status }) => status));
  const first = await Promise.race(answers);
  assert.equal(first, 200);
  process.kill(hung, 'SIGCONT');
  assert.deepEqual(await Promise.all(answers), Array(6).fill(200));
  assert.equal((await scrape(admin)).samples.get(series), 8);
});

test('TLS with both versions of HTTP, and a certificate that is another after a reload', {
  skip,
}, async (t) => {
  const authority = createTestAuthority();
  const cwd = await createFolder(t);
  const write = async (): Promise<void> => {
    const { cert, key } = authority.issue(['localhost']);
    await writeFile(join(cwd, 'cert.pem'), cert);
    await writeFile(join(cwd, 'key.pem'), key);
  };
  await write();
  await writeFile(
    join(cwd, 'proxy.yaml'),
    'listen: { address: "127.0.0.1:0", tls: { cert: cert.pem, key: key.pem } }\nroutes: [{ path: /, upstream: emulator:hello }]\n',
  );
  const cli = startCli(t, ['start', '--workers', '2', '--json-ready', '--no-watch'], { cwd });
  const { addresses } = await cli.ready<ReadyLine>();
  const url = String(addresses[0]);
  const connect = async (alpn: string): Promise<string> => {
    const { port } = new URL(url);
    const socket = connectTls({
      port: Number(port),
      host: '127.0.0.1',
      servername: 'localhost',
      ca: authority.cert,
      ALPNProtocols: [alpn],
    });
    t.after(() => socket.destroy());
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, alpn);
    const { fingerprint256 } = socket.getPeerCertificate();
    if (alpn === 'h2') {
      const session = connectHttp2('https://localhost', { createConnection: () => socket });
      const stream = session.request({ ':path': '/' });
      const [headers] = await once(stream, 'response');
      assert.equal(headers[':status'], 200);
      stream.resume();
      await once(stream, 'end');
      session.close();
    } else {
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 200 /);
    }
    return fingerprint256;
  };
  const all = async () => new Set(await Promise.all(['h2', 'h2', 'http/1.1', 'http/1.1'].map(connect)));
  const before = await all();
  assert.equal(before.size, 1);
  await write();
  cli.child.kill('SIGHUP');
  await cli.seen('Reloaded (SIGHUP)');
  const after = await all();
  assert.equal(after.size, 1);
  assert.notDeepEqual(after, before);
  assert.match(cli.output.stderr, /certificate .*cert\.pem changed/);
  assert.equal((await cli.stop()).code, 0);
});
