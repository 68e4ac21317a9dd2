import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import type { ServiceName } from '../../src/emulator/emulator.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import * as client from './client.ts';

interface Session {
  readonly url: string;
  readonly clock: FakeClock;
  ask(path: string, call?: client.Call): Promise<client.Reply>;
  /** The head of a response, its body still to come. */
  open(path: string): Promise<IncomingMessage>;
  /** Asks, and goes away once a condition holds. */
  leave(path: string, condition: () => boolean): Promise<void>;
}

/** A service, and somebody it lets in. */
async function visit(t: TestContext, name: ServiceName): Promise<Session> {
  const clock = new FakeClock();
  const emulator = await client.startEmulator(t, { clock, services: [name] });
  const url = client.serviceUrl(emulator, name);
  const credential = client.bearer(await client.mintIdToken(emulator, url, { nowMs: clock.now().wallMs }));
  const start = (path: string): ClientRequest =>
    request(`${url}${path}`, { headers: { [credential[0]]: credential[1] }, agent: false });
  return {
    url,
    clock,
    ask: (path, call = {}) =>
      client.call(`${url}${path}`, { ...call, headers: [credential, ...(call.headers ?? [])] }),
    open: (path) =>
      new Promise((resolve, reject) => {
        start(path).on('response', resolve).on('error', reject).end();
      }),
    async leave(path, condition) {
      const outgoing = start(path).on('error', () => undefined);
      outgoing.end();
      await until(condition);
      outgoing.destroy();
    },
  };
}

/** Waits for something the event loop has yet to bring, without a clock. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await settle();
}

describe('hello', () => {
  it('tells whom it verified, for which audience and for how long', async (t) => {
    const { ask, url, clock } = await visit(t, 'hello');
    await clock.advance(60_000);
    const { message, ...rest } = (await ask('/any/path')).json();
    const email = 'developer@emulated-project.iam.gserviceaccount.com';
    assert.deepEqual(rest, { service: 'hello', verified: { email, audience: url, expiresInSeconds: 3540 } });
    assert.match(String(message), /private service.*developer@/);
  });
});

describe('echo', () => {
  it('tells method, path and body of what reached it', async (t) => {
    const { ask } = await visit(t, 'echo');
    const body = Buffer.alloc(3_000_000, 'gcp');
    const reply = await ask('/a/%2e%2e/b;c?x=1&x=2', { method: 'PURGE', body });
    const { service, method, path, bodyBytes, bodySha256 } = reply.json();
    assert.deepEqual([service, method, path], ['echo', 'PURGE', '/a/%2e%2e/b;c?x=1&x=2']);
    assert.deepEqual([bodyBytes, bodySha256], [body.length, createHash('sha256').update(body).digest('hex')]);
  });

  it('answers HEAD with a head', async (t) => {
    const { ask } = await visit(t, 'echo');
    const reply = await ask('/', { method: 'HEAD' });
    assert.deepEqual([reply.status, reply.body.length], [200, 0]);
    assert.ok(Number(reply.headers['content-length']) > 0);
  });
});

describe('slow', () => {
  it('answers when the time asked for is over, not before', async (t) => {
    const { ask, clock } = await visit(t, 'slow');
    let replied = false;
    const reply = ask('/?ms=5000').finally(() => {
      replied = true;
    });
    await until(() => clock.pending === 1);
    await clock.advance(4_999);
    assert.equal(replied, false);
    await clock.advance(1);
    assert.deepEqual((await reply).json(), { service: 'slow', waitedMs: 5000 });
  });

  it('stops waiting when the client goes away', async (t) => {
    const { leave, clock } = await visit(t, 'slow');
    await leave('/?ms=60000', () => clock.pending === 1);
    await until(() => clock.pending === 0);
  });

  it('waits at most a minute', async (t) => {
    const { ask } = await visit(t, 'slow');
    for (const ms of ['60001', '-1', '1.5', 'soon', ''])
      assert.equal((await ask(`/?ms=${ms}`)).status, 400, ms);
  });
});

describe('stream', () => {
  it('sends as many pieces as asked for, chunked', async (t) => {
    const { ask } = await visit(t, 'stream');
    const reply = await ask('/?chunks=3&bytes=4');
    assert.deepEqual([reply.text, reply.headers['transfer-encoding']], ['aaaabbbbcccc', 'chunked']);
    assert.equal((await ask('/?chunks=0')).text, '');
    assert.equal((await ask('/')).body.length, 10_240);
    for (const query of ['chunks=x', 'bytes=1048577', 'intervalMs=60001']) {
      assert.equal((await ask(`/?${query}`)).status, 400, query);
    }
  });

  it('sends the head and each piece as it comes, an interval apart', async (t) => {
    const { open, clock } = await visit(t, 'stream');
    const response = await open('/?chunks=2&bytes=2&intervalMs=1000&sse=1');
    assert.equal(response.headers['content-type'], 'text/event-stream');
    response.setEncoding('utf8');
    const [first] = await once(response, 'data');
    assert.equal(first, 'id: 0\ndata: aa\n\n');
    await until(() => clock.pending === 1);
    const [second, end] = [once(response, 'data'), once(response, 'end')];
    await clock.advance(1000);
    assert.equal((await second)[0], 'id: 1\ndata: bb\n\n');
    await end;
  });

  it('sends no faster than the client takes it, and stops when it leaves', async (t) => {
    const { open, clock } = await visit(t, 'stream');
    const response = await open('/?chunks=1000000&bytes=1048576');
    await once(response, 'readable');
    for (let turn = 0; turn < 50; turn += 1) await settle();
    const taken = response.socket.bytesRead;
    assert.ok(taken < 64_000_000, `a terabyte is on offer, ${taken} bytes came`);
    response.destroy();
    await once(response, 'close');
    assert.equal(clock.pending, 0);
  });
});

describe('status', () => {
  it('answers with the status its path ends in', async (t) => {
    const { ask } = await visit(t, 'status');
    for (const [path, status] of [
      ['/status/200', 200],
      ['/418', 418],
      ['/503?x=1', 503],
      ['/status/599', 599],
    ] as const) {
      const reply = await ask(path);
      assert.deepEqual([reply.status, reply.json().status], [status, status]);
    }
    for (const path of ['/', '/status', '/100', '/600', '/20', '/2000', '/x/200']) {
      assert.equal((await ask(path)).status, 400, path);
    }
  });

  it('sends no body where there is none', async (t) => {
    const { ask } = await visit(t, 'status');
    const bodiless = async (status: number): Promise<unknown> => {
      const { headers, body } = await ask(`/${status}`);
      return [body.length, headers['content-length'], headers['transfer-encoding'], headers['content-type']];
    };
    assert.deepEqual(await bodiless(204), [0, undefined, undefined, undefined]);
    assert.deepEqual(await bodiless(304), [0, undefined, undefined, undefined]);
    assert.deepEqual(await bodiless(205), [0, '0', undefined, undefined]);
  });
});
