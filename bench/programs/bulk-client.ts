/** Downloads or uploads one long body and prints how long it took; fails unless both ends saw the same bytes. */
import { once } from 'node:events';
import { request as send } from 'node:http';
import { connect } from 'node:http2';
import { readBulk, type Sum, writeBulk } from './bulk.ts';
import { fail, readArgument, report } from './task.ts';

export interface BulkTask {
  readonly url: string;
  readonly way: 'down' | 'up';
  readonly bytes: number;
  readonly http2: boolean;
}

export interface BulkResult {
  readonly seconds: number;
}

const { url, way, bytes, http2 } = readArgument<BulkTask>();

/** Wide enough that the window is not what is measured. */
const WINDOW_BYTES = 1_048_576;

/** What was sent, and the answer's body: of an upload both sums, of a download the answer's. */
interface Exchanged {
  readonly sent: Sum | undefined;
  readonly body: AsyncIterable<Buffer>;
}

async function exchange(base: string, path: string, uploadBytes?: number): Promise<Exchanged> {
  const method = uploadBytes === undefined ? 'GET' : 'PUT';
  return http2 ? overHttp2(base, path, method, uploadBytes) : overHttp1(base, path, method, uploadBytes);
}

async function overHttp1(
  base: string,
  path: string,
  method: string,
  uploadBytes?: number,
): Promise<Exchanged> {
  const headers = uploadBytes === undefined ? {} : { 'Content-Length': uploadBytes };
  const request = send(`${base}${path}`, { agent: false, method, headers });
  const answered = once(request, 'response');
  const sent = uploadBytes === undefined ? void request.end() : await writeBulk(request, uploadBytes);
  const [response] = await answered;
  if (response.statusCode !== 200) fail(`${base}${path} answered ${response.statusCode}`);
  return { sent, body: response };
}

async function overHttp2(
  base: string,
  path: string,
  method: string,
  uploadBytes?: number,
): Promise<Exchanged> {
  const session = connect(base, { settings: { initialWindowSize: WINDOW_BYTES } });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  const length = uploadBytes === undefined ? {} : { 'content-length': String(uploadBytes) };
  const stream = session.request({ ':method': method, ':path': path, ...length }, { endStream: false });
  const answered = once(stream, 'response');
  const sent = uploadBytes === undefined ? void stream.end() : await writeBulk(stream, uploadBytes);
  const [headers] = await answered;
  if (headers[':status'] !== 200) fail(`${base}${path} answered ${headers[':status']}`);
  stream.once('close', () => session.close());
  return { sent, body: stream };
}

async function readJson(body: AsyncIterable<Buffer>): Promise<Sum> {
  let text = '';
  for await (const piece of body) text += piece;
  return JSON.parse(text);
}

const startMs = performance.now();
const { sent, body } =
  way === 'down' ? await exchange(url, `/?bytes=${bytes}`) : await exchange(url, '/', bytes);
const received = sent === undefined ? await readBulk(body) : await readJson(body);
const seconds = (performance.now() - startMs) / 1000;

const expected = sent ?? (await readJson((await exchange(url, '/sent')).body));
if (received.bytes !== bytes || received.bytes !== expected.bytes || received.crc !== expected.crc) {
  fail(`${url}, ${way}: ${JSON.stringify(received)} arrived of ${JSON.stringify(expected)}`);
}
const result: BulkResult = { seconds };
report(result);
