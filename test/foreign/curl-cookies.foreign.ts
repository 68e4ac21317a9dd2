import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { localizeSetCookie, toUpstreamCookie } from '../../src/routing/cookies.ts';
import { startUpstream } from '../support/sockets.ts';
import { localRoute, visitOf } from '../support/visits.ts';

// curl's cookie jar as it is, against answers whose cookies have come home: `npm run test:foreign`.

const run = promisify(execFile);
const route = localRoute({ path: '/range', basePath: '/get_range' });

const COOKIES = [
  'plain=1',
  'domain=1; Domain=orders.example; Path=/',
  'secure=1; Secure; Path=/get_range',
  'none=1; SameSite=None; Secure; Partitioned; Path=/',
  '__Host-sid=1; Secure; Path=/; HttpOnly',
  '__Secure-sid=1; Secure; Domain=orders.example',
  'deep=1; Path=/get_range/deep',
];

const dir = await mkdtemp(join(tmpdir(), 'gbp-curl-'));
after(() => rm(dir, { recursive: true, force: true }));

/** Sets the cookies at `/range/login`; elsewhere answers with the cookies an upstream would see. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const visit = visitOf(route, `http://${request.headers.host}${request.url}`);
  if (request.url === '/range/login') {
    response.setHeader(
      'Set-Cookie',
      COOKIES.map((cookie) => localizeSetCookie(cookie, visit)),
    );
  }
  response.end(toUpstreamCookie(request.headers.cookie ?? ''));
}

test('R38: curl keeps an upstream’s cookies and sends each back where it belongs', async (t) => {
  const { origin } = await startUpstream(t, answer);
  const { port } = new URL(origin);
  // A name that curl takes for no exception: to it, as to browsers, localhost itself is secure whatever the scheme.
  const site = `http://proxy.example:${port}`;
  const jar = join(dir, 'jar');
  const curl = async (path: string): Promise<string[]> => {
    const options = ['--silent', '--fail', '--noproxy', '*', '--resolve', `proxy.example:${port}:127.0.0.1`];
    const { stdout } = await run('curl', [...options, '--cookie', jar, '--cookie-jar', jar, site + path]);
    return stdout === '' ? [] : stdout.split('; ').sort();
  };
  assert.deepEqual(await curl('/range/login'), []);
  const everywhere = ['__Host-sid=1', '__Secure-sid=1', 'domain=1', 'none=1', 'plain=1', 'secure=1'];
  assert.deepEqual(await curl('/range'), everywhere);
  assert.deepEqual(await curl('/range/x'), everywhere);
  assert.deepEqual(await curl('/range/deep/x'), [...everywhere, 'deep=1'].sort());
  assert.deepEqual(await curl('/rangex'), []);
  assert.deepEqual(await curl('/'), []);
});
