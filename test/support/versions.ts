import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import type { TestContext } from 'node:test';
import { connectHttp2, readReply } from './http2-clients.ts';
import { exchangeBytes } from './sockets.ts';

export interface PlainRequest {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly status: number;
  /** By names in lower case; of several of one name the last. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Sends a request, to `localhost` unless its headers say otherwise, and reads what comes of it. */
export type Speak = (t: TestContext, url: string, request: PlainRequest) => Promise<Outcome>;

const overHttp1: Speak = async (_t, url, { method = 'GET', target = '/', headers = {} }) => {
  const lines = Object.entries({ host: 'localhost', ...headers, connection: 'close' });
  const text = await exchangeBytes(
    url,
    `${method} ${target} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  );
  const [head = ''] = text.split('\r\n\r\n', 1);
  const fields = [...head.matchAll(/^([^:\r\n]+): ?(.*)$/gm)];
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    headers: Object.fromEntries(fields.map(([, name = '', value]) => [name.toLowerCase(), value])),
    text,
  };
};

const overHttp2: Speak = async (t, url, { method = 'GET', target = '/', headers = {} }) => {
  const { host = 'localhost', ...others } = headers;
  const fields = { ':method': method, ':path': target, ':authority': host, ...others };
  const stream = connectHttp2(t, url).request(fields, { endStream: true });
  const reply = await readReply(stream).catch(() => undefined);
  if (reply !== undefined) return { status: reply.status, headers: reply.headers, text: reply.body };
  // What HTTP/2 itself takes for malformed has no answer but this.
  assert.equal(stream.rstCode, constants.NGHTTP2_PROTOCOL_ERROR);
  return { status: 400, headers: {}, text: '' };
};

/** Both versions of HTTP, to say the same in. */
export const VERSIONS: Readonly<Record<string, Speak>> = { 'HTTP/1.1': overHttp1, 'HTTP/2': overHttp2 };
