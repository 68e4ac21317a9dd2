import type { ClientConduct, Manner } from './client-conduct.ts';
import type { Circumstances } from './exchange.ts';
import { END_HEADERS, END_STREAM, frame, PREFACE, requestBlock, SETTINGS, TYPE, uint32 } from './frames.ts';
import type { Http2Plan } from './http2-client.ts';
import { RESET, SILENCE, type Step, send, until } from './script.ts';

const WHOLE: Manner = { kind: 'whole', responses: 1 };
const GONE: Manner = { kind: 'gone' };
const GET: Http2Plan = { method: 'GET', content: 'none', streams: 1 };
const POST: Http2Plan = { method: 'POST', content: 'whole', streams: 1 };
const MANY = 5;

/** Requests with nothing wrong. */
const whole: readonly ClientConduct[] = [
  planned('GET', GET, WHOLE),
  planned('HEAD', { ...GET, method: 'HEAD' }, WHOLE),
  planned('POST', POST, WHOLE),
  planned('GET whose window opens late', { ...GET, isSlow: true }, WHOLE),
  planned(`${MANY} GETs at once`, { ...GET, streams: MANY }, { kind: 'whole', responses: MANY }),
];

const wrong: readonly ClientConduct[] = [
  planned(
    'content without end',
    { ...POST, content: 'cut' },
    { kind: 'bad content', verdicts: ['408 request_timeout'] },
  ),
  planned(
    'content shorter than it says',
    { ...POST, content: 'short' },
    { kind: 'bad content', verdicts: ['400 bad_request', 'closed'] },
  ),
];

const WHEN = {
  'once the upstream has its request': ['upstream has the head', 'client has the head'],
  'while it reads the response': ['client has the head', 'upstream rests'],
} as const;
const HOW = { stream: 'resets its stream', goaway: 'says GOAWAY', end: 'closes', reset: 'resets' } as const;

const leaving: readonly ClientConduct[] = Object.entries(HOW).flatMap(([how, name]) => {
  const [first, later] = Object.entries(WHEN).map(([moment, when]) => ({
    name: `${name} ${moment}`,
    leaves: { when, how: how as keyof typeof HOW },
  }));
  if (first === undefined || later === undefined) return [];
  return [
    ...[first, later].map((each) => planned(each.name, { ...GET, leaves: each.leaves }, GONE)),
    planned(`${first.name}, uploading`, { ...POST, content: 'cut', leaves: first.leaves }, GONE),
    planned(`${later.name}, ${MANY} streams open`, { ...GET, streams: MANY, leaves: later.leaves }, GONE),
  ];
});

const OPENED = PREFACE + SETTINGS;
const headers = (flags: number, stream: number, block: string): string =>
  frame(TYPE.headers, flags, stream, block);
const get = ({ id }: Circumstances): string =>
  headers(END_HEADERS | END_STREAM, 1, requestBlock('GET', `/${id}`));

/** Frames after which the proxy has to close the connection. */
const BROKEN: Readonly<Record<string, (c: Circumstances) => string>> = {
  'a preface cut short': () => PREFACE.slice(0, 20),
  'a preface with an error': () => `${PREFACE.slice(0, 20)}XX\r\n\r\n`,
  'a preface, then silence': () => PREFACE,
  'settings, then silence': () => OPENED,
  'garbage for frames': () => `${OPENED}\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff garbage`,
  'settings of a wrong size': () => PREFACE + frame(TYPE.settings, 0, 0, 'abc'),
  'a frame larger than may be': () => OPENED + frame(TYPE.data, 0, 1, 'd'.repeat(20_000)),
  'headers that do not end': ({ id }) => OPENED + headers(END_STREAM, 1, requestBlock('GET', `/${id}`)),
  'data in the midst of headers': ({ id }) =>
    OPENED + headers(END_STREAM, 1, requestBlock('GET', `/${id}`)) + frame(TYPE.data, 0, 1, 'd'),
  'a continuation of nothing': () => OPENED + frame(TYPE.continuation, END_HEADERS, 1, '\x82'),
  'headers that cannot be decoded': () =>
    OPENED + headers(END_HEADERS | END_STREAM, 1, '\xff\xff\xff\xff\xff'),
  'a stream of the server': ({ id }) =>
    OPENED + headers(END_HEADERS | END_STREAM, 2, requestBlock('GET', `/${id}`)),
  'a reset of a stream that never was': () => OPENED + frame(TYPE.reset, 0, 5, uint32(8)),
  'a window that grows by nothing': () => OPENED + frame(TYPE.windowUpdate, 0, 0, uint32(0)),
};

const frames: readonly ClientConduct[] = [
  ...Object.entries(BROKEN).map(([name, text]) => played(name, (c) => [send(text(c)), SILENCE])),
  played('data behind the end of its stream', (c) => [
    send(OPENED + get(c) + frame(TYPE.data, 0, 1, 'd')),
    until('upstream has the head', 'upstream rests'),
    RESET,
  ]),
  played('streams opened to be reset', (c) => [send(OPENED + floodOfResets(c)), SILENCE]),
];

/** CVE-2023-44487. */
function floodOfResets({ id }: Circumstances): string {
  let text = '';
  for (let stream = 1; stream < 1_000; stream += 2)
    text +=
      headers(END_HEADERS | END_STREAM, stream, requestBlock('GET', `/${id}`)) +
      frame(TYPE.reset, 0, stream, uint32(8));
  return text;
}

/** Everything that a client of HTTP/2 does here. */
export const HTTP2_CLIENT_CONDUCTS: readonly ClientConduct[] = [...whole, ...wrong, ...leaving, ...frames];

function planned(name: string, http2: Http2Plan, manner: Manner): ClientConduct {
  return {
    name: `HTTP/2: ${name}`,
    method: http2.method,
    script: () => [],
    http2,
    manner,
    requests: http2.streams,
  };
}

function played(name: string, script: (c: Circumstances) => readonly Step[]): ClientConduct {
  return { name: `HTTP/2: ${name}`, method: 'GET', script, manner: GONE, requests: 500 };
}
