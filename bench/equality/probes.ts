import { gzipSync } from 'node:zlib';

/** A request and the answer the upstream gives to it. */
export interface Probe {
  readonly name: string;
  readonly method: string;
  /** Unique: the upstream knows the probe by it. */
  readonly target: string;
  readonly headers: readonly string[];
  readonly body?: Buffer;
  /** The body goes out in chunks, without a Content-Length. */
  readonly chunked?: boolean;
  readonly answer: Answer;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly string[];
  /** Sent piece by piece. Without a Content-Length among the headers that makes it chunked. */
  readonly body: readonly Buffer[];
}

const JSON_BODY = Buffer.from('{"service":"orders","status":"ok"}');
const PACKED = gzipSync(Buffer.from('the same bytes, please. '.repeat(500)));

/** Nothing exotic: what every contender claims to carry. What only we carry is held by the test suite. */
export const probes: readonly Probe[] = [
  {
    name: 'GET with a query, cookies and headers of its own',
    method: 'GET',
    target: '/orders/a%20b?q=1&q=%2F&empty=',
    headers: [
      'Accept',
      'application/json',
      'Accept-Encoding',
      'gzip, br',
      'Cookie',
      'a=1; b=2',
      'X-Trace',
      'Me',
    ],
    answer: {
      status: 200,
      reason: 'OK',
      headers: [
        ...['Content-Type', 'application/json', 'Content-Length', `${JSON_BODY.length}`, 'ETag', '"v1"'],
        ...['Set-Cookie', 'a=1; HttpOnly', 'Set-Cookie', 'b=2', 'X-Answer', 'Yes', 'Server', 'upstream'],
      ],
      body: [JSON_BODY],
    },
  },
  {
    name: 'POST with a long body',
    method: 'POST',
    target: '/long',
    headers: ['Content-Type', 'application/octet-stream', 'Content-Length', '300000'],
    body: Buffer.alloc(300_000, 'long body '),
    answer: { status: 201, reason: 'Created', headers: ['Content-Length', '0'], body: [] },
  },
  {
    name: 'POST in chunks, answered in chunks',
    method: 'POST',
    target: '/chunks',
    headers: ['Content-Type', 'text/plain', 'Transfer-Encoding', 'chunked'],
    body: Buffer.from('in chunks'),
    chunked: true,
    answer: {
      status: 200,
      reason: 'OK',
      headers: ['Content-Type', 'text/plain', 'Transfer-Encoding', 'chunked'],
      body: [Buffer.from('one '), Buffer.alloc(100_000, 'two '), Buffer.from('three')],
    },
  },
  {
    name: 'GET answered with an error of the service',
    method: 'GET',
    target: '/missing',
    headers: [],
    answer: {
      status: 404,
      reason: 'Not Found',
      headers: ['Content-Type', 'application/json', 'Content-Length', `${JSON_BODY.length}`],
      body: [JSON_BODY],
    },
  },
  {
    name: 'GET answered without a body',
    method: 'GET',
    target: '/nothing',
    headers: [],
    answer: { status: 204, reason: 'No Content', headers: [], body: [] },
  },
  {
    name: 'HEAD',
    method: 'HEAD',
    target: '/head',
    headers: [],
    answer: { status: 200, reason: 'OK', headers: ['Content-Length', '1234'], body: [] },
  },
  {
    name: 'GET answered with gzip',
    method: 'GET',
    target: '/packed',
    headers: ['Accept-Encoding', 'gzip'],
    answer: {
      status: 200,
      reason: 'OK',
      headers: ['Content-Encoding', 'gzip', 'Content-Length', `${PACKED.length}`],
      body: [PACKED],
    },
  },
];
