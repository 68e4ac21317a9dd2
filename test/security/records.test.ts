import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { diagnoseRefusal } from '../../src/auth/refusal.ts';
import { createLog } from '../../src/observe/log.ts';
import { redactTarget } from '../../src/observe/redact.ts';
import { resolveFile } from '../config/resolve-file.ts';
import { startRelay } from '../support/relays.ts';
import { staticTokens } from '../support/sites.ts';
import { exchangeBytes, startUpstream } from '../support/sockets.ts';
import { collectTexts } from './object-graph.ts';

const CANARY = 'canary7c2f';
const TOKEN = `token-${CANARY}`;

test('R23: of a target a log has the path and the names of the query, in whatever form it came', () => {
  assert.equal(redactTarget('http://me:canary@localhost/a?b=c'), 'http://…@localhost/a?b=…');
  assert.equal(redactTarget('//me:canary@localhost/a'), '//…@localhost/a');
  assert.equal(redactTarget('me:canary@localhost:443'), '…@localhost:443');
  assert.equal(redactTarget('/a#access_token=canary'), '/a#…');
  assert.equal(redactTarget('/a?b=c#access_token=canary&d=e'), '/a?b=…#…');
  assert.equal(redactTarget('/a#b?c=canary'), '/a#…');
  assert.equal(redactTarget('/@scope/name@1.0?at=me@x'), '/@scope/name@1.0?at=…');
});

test('R23: an explanation of a refusal quotes no part of a token that the page holds', () => {
  const parts = [
    'eyJhbGciOiJSUzI1NiJ9',
    'eyJhdWQiOiJ4In0',
    'c2lnbmF0dXJl-c2lnbmF0dXJl',
    '1c2lnbmF0dXJl_1',
    `${CANARY}`,
  ];
  const context = {
    upstreamOrigin: 'https://orders.example',
    identity: 'me@example.com',
    ...{ otherAudience: undefined, tokenAgeMs: 0, clockOffsetMs: undefined },
  };
  for (const part of parts) {
    for (const status of [401, 403, 404]) {
      for (const request of [
        { kind: 'id', audience: 'https://orders.example' },
        { kind: 'access', scopes: [] },
      ] as const) {
        const page = `<html>audience ${part}: doesn't match expected value (${part}.apps.googleusercontent.com)</html>`;
        const lines = ['X-Goog-IAP-Generated-Response', 'true', 'WWW-Authenticate', `Bearer realm="${part}"`];
        const told = diagnoseRefusal({ status, lines, bodyStart: page }, { ...context, request });
        assert.equal(told.by, 'iap');
        assert.ok(!JSON.stringify(told).includes(part), JSON.stringify(told));
      }
    }
  }
});

test('R23: a mistake in the configuration is shown without the secret beside it', async (t) => {
  const headers = [
    `"X-Api Key": "${CANARY}"`,
    `"X Auth-Token": ${CANARY}`,
    `Authorization: "${CANARY}"`,
    `"Own Cookie": ${CANARY}`,
  ];
  for (const header of headers) {
    const yaml = `routes:\n  - { path: /, upstream: "https://a-abc-an.a.run.app", headers: { set: { ${header} } } }\n`;
    await assert.rejects(resolveFile(t, yaml), ({ message }: Error) => {
      assert.match(message, /\n {2}2 \| /);
      assert.ok(!message.includes(CANARY), message);
      return true;
    });
  }
});

/** Fields that nothing has to be said about. What a message is about - `Host`, `Origin` - it may name. */
const FIELDS = [
  ...['Cookie', 'Authorization', 'Proxy-Authorization', 'X-Serverless-Authorization', 'X-Goog-User-Project'],
  ...[
    'User-Agent',
    'Accept',
    'Content-Type',
    'X-Own',
    'If-None-Match',
    'Range',
    'X-Forwarded-For',
    'Forwarded',
  ],
  ...[
    'Expect',
    'TE',
    'Upgrade',
    'Connection',
    'Transfer-Encoding',
    'Content-Length',
    'Trailer',
    'Content-Encoding',
  ],
  ...[
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Key',
    'Sec-Fetch-Site',
    'Sec-Fetch-Mode',
    'X-HTTP-Method-Override',
  ],
] as const;
const VALUES = [
  CANARY,
  `Bearer ${CANARY}`,
  `sid=${CANARY}; a=b`,
  `"${CANARY}"`,
  `${CANARY}, chunked`,
  `close, ${CANARY}`,
];
const TARGETS = [
  ...[`/?q=${CANARY}`, `/a/b?${CANARY}`, `/a?b=c&d=${CANARY}`, `/a?b=${CANARY}#${CANARY}`, `/#${CANARY}`],
  ...[
    `http://me:${CANARY}@localhost/`,
    `http://${CANARY}@localhost/a?b=${CANARY}`,
    `//me:${CANARY}@localhost/`,
  ],
  ...[
    `/%2e%2e/?q=${CANARY}`,
    `/a%00?q=${CANARY}`,
    `*?${CANARY}`,
    `/\\?q=${CANARY}`,
    `http://localhost?q=${CANARY}`,
  ],
];

const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'OPTIONS', 'TRACE', 'HEAD', 'BREW'),
  target: fc.constantFrom(...TARGETS),
  host: fc.constantFrom('localhost', 'foreign.example', ''),
  version: fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/3.7'),
  fields: fc.array(fc.tuple(fc.constantFrom(...FIELDS), fc.constantFrom(...VALUES)), { maxLength: 6 }),
  origin: fc.constantFrom('', 'Origin: https://foreign.example\r\n', 'Origin: null\r\n'),
});

test('R23: whatever is asked and answered, what is told of it and logged holds no value of a field, query or body', async (t) => {
  const { origin } = await startUpstream(t, (request, response) => {
    request.resume();
    const { authorization = '' } = request.headers;
    response.writeHead(authorization.length % 2 === 0 ? 200 : 403, {
      'X-Echo': authorization,
      'Set-Cookie': `s=${CANARY}`,
    });
    response.end(`${CANARY} ${authorization}`);
  });
  const relay = await startRelay(t, origin, { tokens: staticTokens(TOKEN) });
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const log = await createLog({ stream, pretty: false, colour: false, quiet: false });
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, target, host, version, fields, origin }) => {
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      const head = `${method} ${target} ${version}\r\nHost: ${host}\r\n${origin}${lines}Referer: http://x/?q=${CANARY}\r\n`;
      await exchangeBytes(relay.url, `${head}Connection: close\r\n\r\n${CANARY}`);
      for (const record of relay.records.splice(0)) {
        assert.ok(!collectTexts(record).join('\n').includes(CANARY), JSON.stringify(record));
        log.observer.onExchange(record);
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(written.length > 30, String(written.length));
  assert.ok(!written.join('').includes(CANARY));
});
