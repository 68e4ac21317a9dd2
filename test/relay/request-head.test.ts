import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  framingOf,
  type RequestAdditions,
  readRequestFacts,
  toUpstreamLines,
} from '../../src/relay/request-head.ts';

const TOKEN = 'Bearer ours';
const OURS = [
  'X-Forwarded-For',
  '127.0.0.1',
  'X-Forwarded-Host',
  'localhost:8080',
  'X-Forwarded-Proto',
  'http',
];
const additions: RequestAdditions = {
  host: 'upstream.example',
  keepAuthorization: false,
  credential: { header: 'Authorization', bearer: TOKEN },
  quotaProject: undefined,
  forwarded: OURS,
  trailing: [],
  rewrites: undefined,
  remove: undefined,
  set: [],
};

function forward(lines: string[], change: Partial<RequestAdditions> = {}): string[] {
  return toUpstreamLines(lines, readRequestFacts(lines), { ...additions, ...change });
}

test('R27: end-to-end headers keep their count, order and case', () => {
  const lines = ['X-A', '1', 'accept', 'a', 'X-a', '2', 'Cookie', 'a=b', 'cookie', 'c=d', 'ACCEPT', 'b'];
  assert.deepEqual(forward(lines), ['Host', 'upstream.example', ...lines, ...OURS, 'Authorization', TOKEN]);
});

test('R26: hop-by-hop headers and those Connection names don’t go upstream', () => {
  const lines = [
    'Host',
    'localhost',
    'Connection',
    'keep-alive, X-Secret',
    'Keep-Alive',
    'timeout=5',
    'Proxy-Connection',
    'x',
    'Proxy-Authorization',
    'x',
    'Proxy-Anything',
    'x',
    'TE',
    'trailers',
    'Trailer',
    'x',
    'Transfer-Encoding',
    'chunked',
    'Upgrade',
    'h2c',
    'HTTP2-Settings',
    'x',
    'Expect',
    '100-continue',
    'x-secret',
    '1',
    'X-Kept',
    '1',
    'connection',
    'x-also',
    'X-Also',
    '1',
  ];
  assert.deepEqual(forward(lines), [
    'Host',
    'upstream.example',
    'X-Kept',
    '1',
    ...OURS,
    'Authorization',
    TOKEN,
  ]);
});

test('R19: a client’s Connection header can’t take the token, the host or the forwarding headers off', () => {
  for (const named of [
    'authorization',
    'x-serverless-authorization',
    'host',
    'x-forwarded-for',
    'proxy-authorization',
  ]) {
    for (const header of ['Authorization', 'X-Serverless-Authorization', 'Proxy-Authorization'] as const) {
      const lines = ['Connection', '', 'connection', `close, ${named}`, 'Authorization', 'Bearer theirs'];
      const sent = forward(lines, { credential: { header, bearer: TOKEN } });
      assert.deepEqual(sent, ['Host', 'upstream.example', ...OURS, header, TOKEN]);
    }
  }
});

test('R18: a client’s own credentials never go upstream in replace mode, however they are spelled', () => {
  const lines = [
    'Authorization',
    'Bearer a',
    'AUTHORIZATION',
    'Bearer b',
    'x-serverless-authorization',
    'Bearer c',
    'X_Serverless_Authorization',
    'Bearer d',
    'X-Serverless_authorization',
    'Bearer e',
    'Proxy_Authorization',
    'Bearer f',
  ];
  assert.deepEqual(forward(lines), ['Host', 'upstream.example', ...OURS, 'Authorization', TOKEN]);
});

test('R39: what a client claims to be forwarding is replaced', () => {
  const lines = [
    'X-Forwarded-For',
    '8.8.8.8',
    'x-forwarded-proto',
    'https',
    'X_Forwarded_For',
    '8.8.4.4',
    'Forwarded',
    'for=8.8.8.8',
    'X-Forwarded-Anything',
    'x',
    'Host',
    'localhost:8080',
  ];
  assert.deepEqual(forward(lines), ['Host', 'upstream.example', ...OURS, 'Authorization', TOKEN]);
});

test('the client’s Authorization stays beside the token where the route keeps it', () => {
  const sent = forward(['authorization', 'Basic abc'], {
    keepAuthorization: true,
    credential: { header: 'X-Serverless-Authorization', bearer: TOKEN },
  });
  assert.deepEqual(sent, [
    'Host',
    'upstream.example',
    'authorization',
    'Basic abc',
    ...OURS,
    'X-Serverless-Authorization',
    TOKEN,
  ]);
});

test('headers set and removed by configuration replace the client’s', () => {
  const sent = forward(['X-Team', 'theirs', 'Cookie', 'a'], {
    remove: new Set(['cookie', 'x-team']),
    set: ['x-team', 'ours'],
    quotaProject: 'billing',
  });
  assert.deepEqual(sent, [
    'Host',
    'upstream.example',
    ...OURS,
    'x-team',
    'ours',
    'X-Goog-User-Project',
    'billing',
    'Authorization',
    TOKEN,
  ]);
});

test('headers with an underscore that stand for nothing reserved go on', () => {
  assert.ok(forward(['X_Custom_Header', '1']).includes('X_Custom_Header'));
});

test('R30: a Transfer-Encoding other than exactly chunked is refused, and any on HTTP/1.0', () => {
  const framing = (lines: string[], minor = 1) => framingOf(readRequestFacts(lines), minor);
  assert.equal(framing(['Transfer-Encoding', 'Chunked']), 'chunked');
  for (const coding of ['\u00a0chunked', 'chunked\u00a0', '\ufeffchunked', '']) {
    assert.throws(() => framing(['Transfer-Encoding', coding]), { code: 'transfer_coding_not_supported' });
  }
  assert.throws(() => framing(['Transfer-Encoding', 'gzip, chunked']), {
    code: 'transfer_coding_not_supported',
  });
  assert.throws(() => framing(['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']), {
    code: 'transfer_coding_not_supported',
  });
  assert.throws(() => framing(['Transfer-Encoding', 'chunked'], 0), { code: 'bad_request' });
  assert.throws(() => framing(['Transfer-Encoding', 'chunked', 'Content-Length', '3']), {
    code: 'bad_request',
  });
  assert.equal(framing(['Content-Length', '3']), 'length');
  assert.equal(framing(['Content-Length', '0']), 'none');
  assert.equal(framing([]), 'none');
});
