import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { ask, connectHttp2 } from '../../support/http2-clients.ts';
import { connectRawHttp2, requestFields, toHeaders } from '../../support/http2-frames.ts';
import { type Relay, startRelay } from '../../support/relays.ts';
import { staticTokens } from '../../support/sites.ts';
import { connectTo, readToEnd, startUpstream } from '../../support/sockets.ts';

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function assertServes({ url }: Relay, t: Parameters<typeof connectHttp2>[0]): Promise<void> {
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await ask(connectHttp2(t, url))).status, 200);
}

test('R68: an observer that throws is warned about, without what it said, and disturbs no request', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const relay = await startRelay(t, origin);
  relay.records.push = () => {
    throw new TypeError('s3cret');
  };
  const warning = once(process, 'warning');
  await assertServes(relay, t);
  const [{ message }] = (await warning) as [Error];
  assert.equal(message, 'What observes requests failed (TypeError).');
  // Also where the client left, and nobody would catch it.
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const held = await startUpstream(t, (request) => {
    request.socket.on('close', () => close());
    reach();
  });
  const other = await startRelay(t, held.origin);
  other.records.push = relay.records.push;
  const socket = connectTo(other.url);
  socket.write(GET);
  await reached;
  socket.destroy();
  await closed;
});

test('R68: a client that is gone when its token comes, or can’t be had, is no fault of anybody', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  for (const isRefused of [false, true]) {
    for (const version of ['HTTP/1.1', 'HTTP/2']) {
      const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
      const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
      const tokens = staticTokens('late');
      const relay = await startRelay(t, origin, {
        tokens: {
          ...tokens,
          current: () => undefined,
          async obtain() {
            ask();
            await go;
            if (isRefused) throw new Error('no token');
            return tokens.obtain();
          },
        },
      });
      const record = relay.nextRecord();
      const socket = version === 'HTTP/2' ? connectRawHttp2(relay.url).socket : connectTo(relay.url);
      socket.write(version === 'HTTP/2' ? toHeaders(1, requestFields('GET')) : GET);
      await asked;
      socket.resetAndDestroy();
      assert.equal((await record).status, 0);
      goOn();
      await fetch(relay.url).then((response) => assert.equal(response.status, isRefused ? 500 : 200));
      assert.equal(relay.records.length, 2);
    }
  }
});

test('R68: what goes wrong in the middle of anything fails that request alone', async (t) => {
  const { origin } = await startUpstream(t, (_request, response) => response.end('fine'));
  const broken = () => {
    throw new Error('s3cret');
  };
  const idle = {
    state: () => ({ origin, isBreakerOpen: false, connections: [] }),
    retire() {},
    destroy() {},
  };
  for (const change of [
    { tokens: { ...staticTokens('x'), current: broken } },
    { tokens: { ...staticTokens('x'), current: () => undefined, obtain: broken } },
    { transport: { ...idle, send: broken } },
    {
      transport: {
        send: (
          _request: unknown,
          receiver: { onHead(status: number, reason: string, lines: string[]): void },
        ) => {
          // A status that no version of HTTP has.
          setImmediate(() => receiver.onHead(1_000, 'x', []));
          return { abort() {}, resume() {} };
        },
        ...idle,
      },
    },
  ]) {
    const relay = await startRelay(t, origin, change);
    const own = await fetch(relay.url);
    assert.ok([500, 502].includes(own.status));
    assert.doesNotMatch(await own.text(), /s3cret/);
    const reply = await ask(connectHttp2(t, relay.url));
    assert.ok([500, 502].includes(reply.status));
    assert.doesNotMatch(reply.body, /s3cret/);
    const socket = connectTo(relay.url);
    socket.write(GET);
    socket.resetAndDestroy();
    await readToEnd(socket);
  }
});
