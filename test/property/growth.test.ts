import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate } from '../../src/gate/gate.ts';
import { parseAuthority } from '../../src/gate/host.ts';
import { redactSecrets, redactTarget } from '../../src/observe/redact.ts';
import { toGrpcMessage, toGrpcType } from '../../src/relay/grpc.ts';
import { readRequestFacts, toTrailingLines, upgradeOf } from '../../src/relay/request-head.ts';
import { toClientHead } from '../../src/relay/response-head.ts';
import { localizeSetCookie, toUpstreamCookie } from '../../src/routing/cookies.ts';
import { localizeField } from '../../src/routing/localize.ts';
import { presentOrigin, presentReferer } from '../../src/routing/origin-presentation.ts';
import { parseTarget } from '../../src/routing/target.ts';
import { homewardOf, localRoute, visitOf } from '../support/visits.ts';

const route = localRoute();
const homeward = homewardOf(route, localRoute({ path: '/other', upstreamOrigin: 'https://other.example' }));
const visit = visitOf(route, 'http://localhost:8080/orders/7?a');
const gate = createGate({ bound: ['localhost'], names: [], origins: [] });
const nothing = { fetchMode: undefined, fetchDest: undefined, referer: undefined, fetchSite: undefined };
const asked = { method: 'GET', scheme: 'http', host: 'localhost', origin: undefined, ...nothing } as const;
const facts = (name: string, value: string) => readRequestFacts([name, value]);

/** Everything that reads text of clients, upstreams or other programs. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  'a Host': parseAuthority,
  'a Host at the gate': (host) => gate({ ...asked, host }),
  'an Origin': (origin) => gate({ ...asked, origin }),
  'a Referer': (referer) =>
    gate({ ...asked, fetchSite: 'cross-site', fetchMode: 'navigate', fetchDest: 'document', referer }),
  'an Origin for the upstream': (value) => presentOrigin(value, visit),
  'a Referer for the upstream': (value) => presentReferer(value, visit),
  'a Set-Cookie': (value) => localizeSetCookie(value, visit),
  'a Cookie': toUpstreamCookie,
  'a Location': (value) => localizeField(homeward, 'location', value, visit),
  'a Refresh': (value) => localizeField(homeward, 'refresh', value, visit),
  'a Link': (value) => localizeField(homeward, 'link', value, visit),
  'a target': (value) => {
    // Longer ones are refused unread.
    try {
      return parseTarget(`/${value.slice(0, 16_000)}`);
    } catch {
      return undefined;
    }
  },
  'a Connection': (value) => facts('Connection', value),
  'an Upgrade': (value) => upgradeOf('GET', 1, { ...facts('Upgrade', 'websocket'), connection: value }),
  'a TE': (value) => toTrailingLines(facts('TE', value), 'chunked'),
  'a Trailer': (value) => toTrailingLines(facts('Trailer', value), 'chunked'),
  'a Content-Type': (value) => toGrpcType({ contentType: value }),
  'a response’s Connection': (value) => toClientHead(['Connection', value, 'X-A', '1'], 200, 'token'),
  'a grpc-message': toGrpcMessage,
  'a text with secrets': redactSecrets,
  'a target for the log': (value) => redactTarget(`/?${value}`),
};

/** What is repeated, behind what. Each has been the undoing of some regular expression. */
const RUNS: readonly (readonly [start: string, run: string])[] = [
  ...[
    'a',
    ' ',
    '\t',
    ',',
    ', ',
    ';',
    '; ',
    '/',
    '//',
    '.',
    '..',
    '-',
    '=',
    '"',
    '<',
    '<>,',
    '%',
    '%25',
    '\\',
    '&',
    '?',
    '#',
  ].map((run) => ['', run] as const),
  ...[
    'eyJ',
    'eyJaaaaaaaa-',
    'eyJaaaaaaaa.',
    'ya29.',
    'bearer ',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN ',
    '1//0',
  ].map((run) => ['', run] as const),
  ...[
    'gbp.',
    'gbp.__Host-a=1; ',
    '; Path=/',
    '; Path',
    ' Domain=',
    '__Host-',
    'close, ',
    'keep-alive',
    'trailers;',
    ',trailers ',
  ].map((run) => ['', run] as const),
  ...([
    ['bearer', ' '],
    ['-----BEGIN ', 'A '],
    ['0', ' '],
    ['0; url', ' '],
    ['0;url="', "'"],
    ['https://orders.example/', '../'],
    ['https://', '@'],
    ['https://', 'a.'],
    ['http://localhost', '/'],
    ['</orders>; rel="', '\\"'],
    ['[', ':'],
    ['[::1]:', '0'],
    ['application/grpc-web', '+a'],
    ['a=', 'gbp.'],
  ] as const),
];

const LONG = 100_000;
const STEPS = 4;
/** As fast as this a reader may be as it likes: a quadratic one takes seconds. */
const FAST_MS = 40;

function measure(
  read: (text: string) => unknown,
  [start, run]: (typeof RUNS)[number],
  length: number,
): number {
  // The end fits nothing, so that whatever was matched so far is looked at again.
  const text = `${start}${run.repeat(Math.ceil(length / run.length)).slice(0, length)}\x01`;
  const startMs = performance.now();
  read(text);
  return performance.now() - startMs;
}

test('R4: however long a text is and whatever is repeated in it, reading it takes no more than in proportion', () => {
  for (const [name, read] of Object.entries(READERS)) {
    for (const run of RUNS) {
      const longMs = measure(read, run, LONG);
      if (longMs < FAST_MS) continue;
      // It may have been the machine.
      const times = [1, 2, 3].map(
        () => [measure(read, run, LONG), measure(read, run, LONG / STEPS)] as const,
      );
      const [long, short] = [Math.min(...times.map(([ms]) => ms)), Math.min(...times.map(([, ms]) => ms))];
      assert.ok(
        long < FAST_MS || long / short < STEPS * 2.2,
        `${name}, ${JSON.stringify(run)}: ${short.toFixed(1)} ms for ${LONG / STEPS} characters, ${long.toFixed(1)} for ${LONG}`,
      );
    }
  }
});
