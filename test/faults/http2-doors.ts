import type { Socket } from 'node:net';
import { type Door, plain } from './doors.ts';
import { END_HEADERS, END_STREAM, frame, PREFACE, SETTINGS_ACK, TYPE, uint32 } from './frames.ts';
import { startServer } from './upstream.ts';

/** A request that came over HTTP/2, whole; and the connection to answer it on, by frames made by hand. */
interface FramedRequest {
  readonly stream: number;
  readonly socket: Socket;
  send(...frames: readonly string[]): void;
}

const WINDOW = 2 ** 31 - 1;
/** Settings of one that takes all content there is: each stream's window, and the connection's, are as large as can be. */
const WIDE_OPEN =
  frame(TYPE.settings, 0, 0, `\0\x04${uint32(WINDOW)}`) +
  frame(TYPE.windowUpdate, 0, 0, uint32(WINDOW - 65_535));

/**
 * An upstream that reads frames, and answers each whole request as it is told to.
 * @param greeting instead of its settings
 */
const framed = (
  verdicts: readonly string[],
  answer: (request: FramedRequest) => void,
  options: { readonly greeting?: string; readonly headVerdicts?: readonly string[] } = {},
): Door => ({
  verdicts,
  ...(options.headVerdicts && { headVerdicts: options.headVerdicts }),
  protocol: 'http2',
  async open() {
    const upstream = await startServer((socket) => {
      socket.write(options.greeting ?? WIDE_OPEN, 'latin1');
      readFrames(socket, (type, flags, stream) => {
        const send = (...frames: readonly string[]): void => void socket.write(frames.join(''), 'latin1');
        if (type === TYPE.settings && flags === 0) send(SETTINGS_ACK);
        const isContent = type === TYPE.headers || type === TYPE.data;
        if (isContent && (flags & END_STREAM) !== 0) answer({ stream, socket, send });
      });
    });
    return { origin: upstream.origin, upstream };
  },
});

function readFrames(socket: Socket, onFrame: (type: number, flags: number, stream: number) => void): void {
  let unread = Buffer.alloc(0);
  let hasPreface = false;
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    if (!hasPreface) {
      if (unread.length < PREFACE.length) return;
      unread = unread.subarray(PREFACE.length);
      hasPreface = true;
    }
    while (unread.length >= 9 && unread.length >= 9 + unread.readUIntBE(0, 3)) {
      const [type, flags, stream] = [unread.readUInt8(3), unread.readUInt8(4), unread.readUInt32BE(5)];
      unread = unread.subarray(9 + unread.readUIntBE(0, 3));
      onFrame(type, flags, stream);
    }
  });
}

const text = (value: string): string => String.fromCharCode(value.length) + value;
const field = (name: string, value: string): string => `\0${text(name)}${text(value)}`;
const OK = '\x88';
const LENGTH = field('content-length', '5');
const head = (stream: number, block: string, flags = END_HEADERS): string =>
  frame(TYPE.headers, flags, stream, block);
const data = (stream: number, content: string, flags = 0): string => frame(TYPE.data, flags, stream, content);

const COMPLETE = ['200 of nobody'];
const BROKEN = ['200 of nobody broken', 'closed'];
const EITHER = { headVerdicts: [...COMPLETE, ...BROKEN] };
const RESET = ['502 upstream_reset'];
const BAD = ['502 bad_upstream_response'];
const SILENT = ['504 upstream_timeout'];

const CODES = { NO_ERROR: 0, INTERNAL_ERROR: 2, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11 };
/** What there is of a response when it breaks off. */
const STAGES: Readonly<Record<string, (stream: number) => string>> = {
  'before its response': () => '',
  'after its head': (stream) => head(stream, OK + LENGTH),
  'in its content': (stream) => head(stream, OK + LENGTH) + data(stream, 'he'),
  'before its trailers': (stream) => head(stream, OK) + data(stream, 'hello'),
};
type Ending = readonly [early: readonly string[], (request: FramedRequest) => void];
const resets = Object.entries(CODES).map(([name, code]): [string, Ending] => [
  `resets the stream (${name})`,
  // Node says the last of them itself, of a response that it refuses.
  [
    name === 'ENHANCE_YOUR_CALM' ? BAD : RESET,
    ({ stream, send }) => send(frame(TYPE.reset, 0, stream, uint32(code))),
  ],
]);
const ENDINGS: Readonly<Record<string, Ending>> = {
  ...Object.fromEntries(resets),
  silent: [SILENT, () => {}],
  'ends (FIN)': [RESET, ({ socket }) => socket.end()],
  'resets (RST)': [RESET, ({ socket }) => socket.resetAndDestroy()],
  'says GOAWAY and ends': [
    RESET,
    ({ socket, stream }) => socket.end(frame(TYPE.goaway, 0, 0, uint32(stream) + uint32(0)), 'latin1'),
  ],
  'says GOAWAY, having seen nothing': [
    RESET,
    ({ socket }) => socket.end(frame(TYPE.goaway, 0, 0, uint32(0) + uint32(0)), 'latin1'),
  ],
  'sends garbage': [[...BAD, ...RESET], ({ send }) => send('\xff'.repeat(40))],
};

const broken: readonly (readonly [string, Door])[] = Object.entries(STAGES).flatMap(([stage, before]) =>
  Object.entries(ENDINGS).map(([ending, [early, end]]): [string, Door] => [
    `${stage}: ${ending}`,
    framed(
      stage === 'before its response' ? early : BROKEN,
      (request) => {
        if (before(request.stream) !== '') request.send(before(request.stream));
        end(request);
      },
      stage === 'before its response' ? {} : EITHER,
    ),
  ]),
);

const answers = (
  verdicts: readonly string[],
  toFrames: (stream: number) => string,
  headVerdicts = verdicts,
): Door => framed(verdicts, ({ stream, send }) => send(toFrames(stream)), { headVerdicts });
const whole = (stream: number): string => head(stream, OK + LENGTH) + data(stream, 'hello', END_STREAM);
const EVERY = EITHER.headVerdicts;

const OTHERS: Readonly<Record<string, Door>> = {
  'as it should be': answers(COMPLETE, whole, EVERY),
  trailers: answers(
    COMPLETE,
    (s) => head(s, OK) + data(s, 'hello') + head(s, field('x-sum', '1'), END_HEADERS | END_STREAM),
    EVERY,
  ),
  'interim responses': answers(
    COMPLETE,
    (s) => head(s, `\x08\x03103${field('link', '</a>')}`).repeat(2) + whole(s),
    EVERY,
  ),
  'GOAWAY, then its response': answers(
    COMPLETE,
    (s) => frame(TYPE.goaway, 0, 0, uint32(s) + uint32(0)) + whole(s),
    EVERY,
  ),
  'less than it says': answers(BROKEN, (s) => head(s, OK + LENGTH) + data(s, 'he', END_STREAM), EVERY),
  'more than it says': answers(BROKEN, (s) => head(s, OK + LENGTH) + data(s, 'hello you', END_STREAM), EVERY),
  // What comes next on that connection can't be read.
  'headers that do not end': answers([...SILENT, ...BAD, ...RESET], (s) => head(s, OK, 0)),
  'data in the midst of headers': answers([...BAD, ...RESET], (s) => head(s, OK, 0) + data(s, 'hello')),
  'data before headers': answers([...BAD, ...RESET], (s) => data(s, 'hello', END_STREAM)),
  'headers that cannot be decoded': answers([...BAD, ...RESET], (s) => head(s, '\xff\xff\xff\xff\xff')),
  'no status': answers([...BAD, ...RESET], (s) => head(s, field('x-a', '1'))),
  'a name in upper case': answers([...BAD, ...RESET], (s) => head(s, OK + field('X-A', '1'))),
  'a response on another stream': answers([...BAD, ...RESET], (s) => whole(s + 1_000)),
  'a pushed response': answers([...BAD, ...RESET], (s) => frame(5, END_HEADERS, s, uint32(2) + OK)),
  'no window for content': framed([...COMPLETE, ...SILENT], ({ stream, send }) => send(whole(stream)), {
    greeting: frame(TYPE.settings, 0, 0, `\0\x04${uint32(0)}`),
    headVerdicts: EVERY,
  }),
  'no streams at all': framed([...SILENT, '504 connect_timeout', '503 overloaded'], () => {}, {
    greeting: frame(TYPE.settings, 0, 0, `\0\x03${uint32(0)}`),
  }),
  'HTTP/1.1': over([...BAD, '502 upstream_protocol'], (socket) =>
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  ),
  garbage: over([...BAD, '502 upstream_protocol'], (socket) => socket.write('\xff'.repeat(100), 'latin1')),
  'no settings': over([...SILENT, '504 connect_timeout'], (socket) => socket.resume()),
  'a connection that is ended (FIN)': over([...RESET, '502 upstream_protocol'], (socket) => socket.end()),
  'a connection that is reset (RST)': over([...RESET, '502 upstream_protocol'], (socket) =>
    socket.resetAndDestroy(),
  ),
};

function over(verdicts: readonly string[], meet: (socket: Socket) => void): Door {
  return { ...plain([...verdicts, '503 circuit_open'], meet), protocol: 'http2' };
}

/** Upstreams that speak HTTP/2, or should. */
export const HTTP2_DOORS: Readonly<Record<string, Door>> = Object.fromEntries(
  [...broken, ...Object.entries(OTHERS)].map(([name, door]) => [`HTTP/2: ${name}`, door]),
);
