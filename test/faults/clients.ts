import { type ClientConduct, conduct, type Manner } from './client-conduct.ts';
import { type Circumstances, cut } from './exchange.ts';
import {
  DESTROY,
  END,
  flood,
  PAUSE,
  RESET,
  RESUME,
  receive,
  type Script,
  type Step,
  send,
  trickle,
  until,
} from './script.ts';

const LENGTH = 300;
const BODY = 'x'.repeat(LENGTH);
const CHUNKS = `32\r\n${'y'.repeat(50)}\r\n64\r\n${'z'.repeat(100)}\r\n`;
const FLOOD_BYTES = 6_000_000;

const head = (
  method: string,
  { id }: Circumstances,
  fields: readonly string[] = [],
  version = '1.1',
): string =>
  `${method} /${id} HTTP/${version}\r\nHost: localhost\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
const LENGTH_FIELD = `Content-Length: ${LENGTH}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const post = (c: Circumstances): string => head('POST', c, [LENGTH_FIELD]) + BODY;
const postChunks = (c: Circumstances): string => `${head('POST', c, [CHUNKED])}${CHUNKS}0\r\n\r\n`;
const expecting = (c: Circumstances): string => head('POST', c, [LENGTH_FIELD, 'Expect: 100-continue']);
const CONTINUED = receive('HTTP/1.1 ');

const HALF_CLOSED: Manner = { kind: 'half-closed' };

/** Requests with nothing wrong. */
const whole: readonly ClientConduct[] = [
  conduct('GET', 'GET', (c) => [send(head('GET', c))]),
  conduct('GET over HTTP/1.0', 'GET', (c) => [send(head('GET', c, [], '1.0'))]),
  conduct('GET, byte by byte', 'GET', (c) => [trickle(head('GET', c))]),
  conduct('HEAD', 'HEAD', (c) => [send(head('HEAD', c))]),
  conduct('POST with a length', 'POST', (c) => [send(post(c))]),
  conduct('POST without content', 'POST', (c) => [send(head('POST', c, ['Content-Length: 0']))]),
  conduct('POST in chunks', 'POST', (c) => [send(postChunks(c))]),
  conduct('POST in chunks, byte by byte', 'POST', (c) => [trickle(postChunks(c))]),
  conduct('POST with trailers', 'POST', (c) => [
    send(`${head('POST', c, [CHUNKED, 'Trailer: X-Sum'])}${CHUNKS}0\r\nX-Sum: 1\r\n\r\n`),
  ]),
  conduct('PUT with a length', 'PUT', (c) => [send(head('PUT', c, [LENGTH_FIELD]) + BODY)]),
  conduct('POST that expects 100', 'POST', (c) => [send(expecting(c)), CONTINUED, send(BODY)]),
  conduct('POST that expects 100 and does not wait', 'POST', (c) => [send(expecting(c) + BODY)]),
  conduct('GET, then half-closed', 'GET', (c) => [send(head('GET', c)), END], HALF_CLOSED),
  conduct('POST, then half-closed', 'POST', (c) => [send(post(c)), END], HALF_CLOSED),
  conduct('GET, read late', 'GET', (c) => [send(head('GET', c)), PAUSE, until('upstream rests'), RESUME]),
  conduct('two GETs at once', 'GET', (c) => [send(head('GET', c).repeat(2))], {
    kind: 'whole',
    responses: 2,
  }),
  conduct('a GET, garbage behind it', 'GET', (c) => [send(`${head('GET', c)}\0garbage\r\n\r\n`)], {
    kind: 'whole',
    responses: 1,
    afterwards: ['400 bad_request'],
  }),
  conduct('a POST with more than its length', 'POST', (c) => [send(`${post(c)}surplus \0\r\n\r\n`)], {
    kind: 'whole',
    responses: 1,
    afterwards: ['400 bad_request'],
  }),
  conduct('GET, then silent', 'GET', (c) => [send(head('GET', c))], {
    kind: 'whole',
    responses: 1,
    afterwards: [],
  }),
];

/** Heads that are refused, with what is said. */
const REFUSED: Readonly<
  Record<string, { readonly text: (c: Circumstances) => string; readonly verdict: string }>
> = {
  'a line of garbage': { text: () => '\x16\x03\x01\x02\0garbage\r\n\r\n', verdict: '400 bad_request' },
  'two lengths': {
    text: (c) => head('POST', c, [LENGTH_FIELD, 'Content-Length: 5']) + BODY,
    verdict: '400 bad_request',
  },
  'a length and chunks': {
    text: (c) => head('POST', c, [LENGTH_FIELD, CHUNKED]) + BODY,
    verdict: '400 bad_request',
  },
  'a length that is no number': {
    text: (c) => head('POST', c, ['Content-Length: +5']) + BODY,
    verdict: '400 bad_request',
  },
  'a NUL in a field': { text: (c) => head('GET', c, ['X-A: a\0b']), verdict: '400 bad_request' },
  'a space before the colon': { text: (c) => head('GET', c, ['X-A : b']), verdict: '400 bad_request' },
  'a bare carriage return': { text: (c) => head('GET', c, ['X-A: a\rb']), verdict: '400 bad_request' },
  'two hosts': { text: (c) => head('GET', c, ['Host: localhost']), verdict: '400 bad_host' },
  'HTTP/1.0 in chunks': {
    text: (c) => `${head('POST', c, [CHUNKED], '1.0')}0\r\n\r\n`,
    verdict: '400 bad_request',
  },
  'an endless head': {
    text: (c) => head('GET', c, [`X-A: ${'a'.repeat(60_000)}`]),
    verdict: '431 head_too_large',
  },
};

const STOPS: Readonly<Record<string, { readonly steps: Script; readonly said: readonly string[] }>> = {
  silent: { steps: [], said: ['408 request_timeout'] },
  'ends (FIN)': { steps: [END], said: ['400 bad_request', 'closed'] },
  'resets (RST)': { steps: [RESET], said: [] },
  closes: { steps: [DESTROY], said: [] },
};

/** Where a client stops in the middle of its request, and whether its head is whole by then. */
const STAGES: Readonly<
  Record<string, { readonly steps: (c: Circumstances) => readonly Step[]; readonly hasHead: boolean }>
> = {
  'before its request': { steps: () => [], hasHead: false },
  'in its head': { steps: (c) => [send(cut(c, head('GET', c, ['X-A: a'])))], hasHead: false },
  'before its content': { steps: (c) => [send(head('POST', c, [LENGTH_FIELD]))], hasHead: true },
  'in content with a length': {
    steps: (c) => [send(head('POST', c, [LENGTH_FIELD]) + cut(c, BODY))],
    hasHead: true,
  },
  'in the size of a chunk': {
    steps: (c) => [send(`${head('POST', c, [CHUNKED])}${CHUNKS}4`)],
    hasHead: true,
  },
  'in a chunk': {
    steps: (c) => [send(`${head('POST', c, [CHUNKED])}${CHUNKS}40\r\n${cut(c, BODY.slice(0, 63))}`)],
    hasHead: true,
  },
  'between chunks': { steps: (c) => [send(head('POST', c, [CHUNKED]) + CHUNKS)], hasHead: true },
  'in its trailers': {
    steps: (c) => [send(`${head('POST', c, [CHUNKED])}${CHUNKS}0\r\n${cut(c, 'X-Sum: 1')}`)],
    hasHead: true,
  },
  'after 100': { steps: (c) => [send(expecting(c)), CONTINUED], hasHead: true },
  'while it waits for 100': { steps: (c) => [send(expecting(c))], hasHead: true },
};

/** Every way to stop, at every stage of a request. */
const stopped: readonly ClientConduct[] = Object.entries(STAGES).flatMap(([stage, { steps, hasHead }]) =>
  Object.entries(STOPS).map(([stop, { steps: last, said }]) => {
    const kind = hasHead ? 'bad content' : 'bad head';
    const manner: Manner = said.length === 0 ? { kind: 'gone' } : { kind, verdicts: said };
    return conduct(`${stage}: ${stop}`, hasHead ? 'POST' : 'GET', (c) => [...steps(c), ...last], manner);
  }),
);

const LIES: Readonly<Record<string, string>> = {
  'a chunk without a size': `${CHUNKS}xyz\r\n`,
  'a chunk longer than it says': '2\r\nabcdef\r\n0\r\n\r\n',
  'a chunk of unbelievable size': `${CHUNKS}fffffffffffffffff\r\nabc`,
  'a bare line feed behind a chunk': '2\nab\n0\n\n',
  'a trailer with a NUL': `${CHUNKS}0\r\nX-A: a\0b\r\n\r\n`,
};

const lying: readonly ClientConduct[] = Object.entries(LIES).map(([name, text]) =>
  conduct(name, 'POST', (c) => [send(head('POST', c, [CHUNKED]) + text)], {
    kind: 'bad content',
    verdicts: ['400 bad_request'],
  }),
);

const refused: readonly ClientConduct[] = Object.entries(REFUSED).map(([name, { text, verdict }]) =>
  conduct(name, 'GET', (c) => [send(text(c))], { kind: 'bad head', verdicts: [verdict] }),
);

const UNDER_WAY = until('upstream has the head', 'client has the head');
const ANYTHING = until('client has the head', 'upstream rests');
const LEAVES: Readonly<
  Record<string, { readonly method: string; readonly steps: (c: Circumstances) => readonly Step[] }>
> = {
  'once the upstream has its request': {
    method: 'GET',
    steps: (c) => [send(head('GET', c)), UNDER_WAY],
  },
  'while it reads the response': { method: 'GET', steps: (c) => [send(head('GET', c)), ANYTHING] },
  'having read nothing': {
    method: 'GET',
    steps: (c) => [send(head('GET', c)), PAUSE, until('upstream rests')],
  },
  'in the midst of an upload': {
    method: 'POST',
    steps: (c) => [send(head('POST', c, [CHUNKED])), send(CHUNKS), UNDER_WAY, send(CHUNKS)],
  },
  'at once': { method: 'POST', steps: (c) => [send(post(c))] },
};

const leaving: readonly ClientConduct[] = Object.entries(LEAVES).flatMap(([name, { method, steps }]) => [
  conduct(`resets ${name}`, method, (c) => [...steps(c), RESET], { kind: 'gone' }),
  conduct(`closes ${name}`, method, (c) => [...steps(c), DESTROY], { kind: 'gone' }),
]);

/** More than all buffers on the way take. */
const long: ClientConduct = {
  ...conduct('a long POST', 'POST', (c) => [
    send(head('POST', c, [`Content-Length: ${FLOOD_BYTES}`])),
    flood(FLOOD_BYTES),
  ]),
  isHeavy: true,
};

/** Everything that a client of HTTP/1.1 does here. */
export const CLIENT_CONDUCTS: readonly ClientConduct[] = [
  ...whole,
  ...refused,
  ...stopped,
  ...lying,
  ...leaving,
  long,
];
