import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { startProxy } from '../../support/proxies.ts';
import { connectTo, readToEnd, startUpstream } from '../../support/sockets.ts';

const WAYS = {
  'whose length was said': { 'Content-Length': '8' },
  'in chunks': {},
};

for (const [what, headers] of Object.entries(WAYS)) {
  test(`R35: a response ${what} that breaks off before its turn ends the connection once those before it are sent`, async (t) => {
    const first = Promise.withResolvers<ServerResponse>();
    const { origin } = await startUpstream(t, async (request, response) => {
      if (request.url === '/first') {
        first.resolve(response);
        return;
      }
      response.writeHead(200, headers).write('half');
      await first.promise;
      response.destroy();
    });
    const { port, nextRecord } = await startProxy(t, `routes: [{ path: /, upstream: "${origin}" }]`);
    const client = connectTo(`http://127.0.0.1:${port}`);
    await once(client, 'connect');
    const record = nextRecord();
    client.write(
      ['/first', '/second', '/third']
        .map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
        .join(''),
    );
    const { target, error } = await record;
    assert.match(target, /^\/(?:second|third)$/);
    assert.equal(error, 'upstream_reset');
    (await first.promise).end('the first');
    const received = await readToEnd(client);
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(received, /\r\n\r\nthe first/);
    assert.doesNotMatch(received, /\r\n0\r\n\r\n/, 'no end of what broke off');
    assert.ok((received.match(/HTTP\/1\.1/g)?.length ?? 0) <= 2, 'nothing behind it');
  });
}
