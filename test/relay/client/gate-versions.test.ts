import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectHttp2, readReply } from '../../support/http2-clients.ts';
import { startRelay } from '../../support/relays.ts';
import { startUpstream } from '../../support/sockets.ts';
import { VERSIONS } from '../../support/versions.ts';

async function startCounted(t: TestContext) {
  const seen: string[] = [];
  const { origin } = await startUpstream(t, (request, response) => {
    seen.push(request.url ?? '');
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.end('fine');
  });
  return { url: (await startRelay(t, origin)).url, seen };
}

for (const [version, speak] of Object.entries(VERSIONS)) {
  test(`R2 R3 R7: names other than this machine’s are refused before anything goes upstream: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    for (const [host, status] of [
      ['evil.com:8080', 403],
      ['localhost.evil.com', 403],
      ['evillocalhost', 403],
      ['127.0.0.1.nip.io', 403],
      ['localhost@evil.com', 400],
      ['user:pass@localhost', 400],
      ['localhost, evil.com', 400],
      ['localhost:80:80', 400],
      ['localhost/', 400],
      ['[::1', 400],
    ] as const) {
      const outcome = await speak(t, url, { headers: { host } });
      assert.equal(outcome.status, status, host);
      if (outcome.text !== '')
        assert.match(outcome.text, status === 403 ? /"host_not_allowed"/ : /"bad_host"/);
    }
    assert.deepEqual(seen, []);
    for (const host of [
      'LOCALHOST',
      'localhost.',
      'localhost:9',
      '[::1]:8080',
      '127.0.0.1',
      'shop.localhost',
    ])
      assert.equal((await speak(t, url, { headers: { host } })).status, 200, host);
  });

  test(`R5 R6 R8: pages of other sites are refused, whatever they ask for: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
      for (const origin of ['http://evil.com', 'null', 'http://localhost.evil.com']) {
        const outcome = await speak(t, url, { method, headers: { origin } });
        assert.equal(outcome.status, 403, `${method} ${origin}`);
        assert.match(outcome.text, /"origin_not_allowed"/);
        assert.doesNotMatch(outcome.text, /^access-control-allow-origin: (?!gcp-bearer-proxy: )/im);
      }
      const outcome = await speak(t, url, { method, headers: { 'sec-fetch-site': 'cross-site' } });
      assert.equal(outcome.status, 403, method);
      assert.match(outcome.text, /"cross_site_request"/);
    }
    const visit = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    const asked = await speak(t, url, { headers: { ...visit, referer: 'https://evil.com/x' } });
    assert.equal(asked.status, 403);
    assert.match(asked.text, /Continue to this private service\?/);
    assert.deepEqual(seen, []);
    for (const headers of [
      { origin: 'http://localhost:3000', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ])
      assert.equal((await speak(t, url, { headers })).status, 200);
  });

  test(`R13: paths that could climb out of their route are refused: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    for (const target of [
      '/../x',
      '/a/..',
      '/%2e%2e/x',
      '/%2E%2e%2fx',
      '/..%5cx',
      '/a\\..\\b',
      '/%252e%252e/',
      '/%00',
      '/x#y',
      '/%c0%ae',
    ]) {
      const outcome = await speak(t, url, { target });
      assert.equal(outcome.status, 400, target);
    }
    assert.deepEqual(seen, []);
  });

  test(`R14: whatever else a target holds goes on byte for byte: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    const targets = ['//x', '/a//b', '/?a?b', '/%20', '/?x=%2F', '/?', "/;=,@:$&'()*+!~", '/%zz'];
    for (const target of targets) await speak(t, url, { target });
    assert.deepEqual(
      seen.filter((target) => target !== '/%zz'),
      targets.filter((target) => target !== '/%zz'),
    );
  });

  test(`R11: TRACE is refused, and * is for OPTIONS alone: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    const trace = await speak(t, url, { method: 'TRACE' });
    assert.equal(trace.status, 405);
    assert.match(trace.text, /"method_not_allowed"/);
    assert.equal((await speak(t, url, { method: 'GET', target: '*' })).status, 400);
    assert.equal((await speak(t, url, { method: 'OPTIONS', target: '*' })).status, 204);
    assert.deepEqual(seen, []);
  });

  test(`R20: an expectation other than 100-continue is refused: ${version}`, async (t) => {
    const { url, seen } = await startCounted(t);
    const outcome = await speak(t, url, { headers: { expect: 'the-unexpected' } });
    assert.equal(outcome.status, 417);
    assert.deepEqual(seen, []);
  });
}

test('R7: a Host beside :authority has to say the same', async (t) => {
  const { url, seen } = await startCounted(t);
  const session = connectHttp2(t, url);
  for (const [fields, status] of [
    [{ ':authority': 'localhost', host: 'evil.com' }, 400],
    [{ ':authority': 'evil.com', host: 'localhost' }, 400],
    [{ ':authority': 'localhost:1', host: 'localhost:2' }, 400],
    [{ ':authority': 'localhost', host: 'LOCALHOST' }, 400],
    [{ ':authority': 'localhost', host: 'localhost' }, 200],
    [{ ':authority': undefined, host: 'localhost' }, 200],
    [{ ':authority': undefined, host: 'evil.com' }, 403],
  ] as const) {
    const { status: got } = await readReply(session.request({ ':path': '/', ...fields }));
    assert.equal(got, status, JSON.stringify(fields));
  }
  assert.deepEqual(seen, ['/', '/']);
});

test('R11: CONNECT over HTTP/2 opens nothing', async (t) => {
  const { url, seen } = await startCounted(t);
  for (const authority of ['localhost:443', 'evil.com:443']) {
    const stream = connectHttp2(t, url).request({ ':method': 'CONNECT', ':authority': authority });
    stream.end('x');
    const { status } = await readReply(stream);
    assert.equal(status, authority.startsWith('evil') ? 403 : 405);
  }
  assert.deepEqual(seen, []);
});
