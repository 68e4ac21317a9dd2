import { performServerHandshake } from 'node:http2';
import { Duplex } from 'node:stream';
import { Frame, PREFACE } from '../support/http2-frames.ts';
import { TOKEN } from './dictionary.ts';

/** What is wrong with what reached an upstream on one connection, and how many requests that were. */
export interface Judgement {
  readonly requests: number;
  readonly fault: string | undefined;
}

const CREDENTIALS = /^(?:x-serverless-|proxy-)?authorization$/;

/** A request's field lines, names in lower case. */
type Lines = readonly (readonly [name: string, value: string])[];

/** The rules for every request that reaches an upstream, whatever a client sent (R17, R18, R26, R28). */
export function findFault(lines: Lines): string | undefined {
  const called = (name: string): number => lines.filter(([other]) => other === name).length;
  const credentials = lines.filter(([name]) => CREDENTIALS.test(name.replaceAll('_', '-')));
  const ours = credentials.filter(([, value]) => value === `Bearer ${TOKEN}`);
  if (ours.length !== 1) return `${ours.length} credentials of ours`;
  const [[carrier]] = ours as [[string, string]];
  const others = credentials.filter(([, value]) => value !== `Bearer ${TOKEN}`);
  // Cloud Run looks into its own header first, which leaves one Authorization to the client.
  if (others.length > 1 || others.some(([name]) => name !== 'authorization' || name === carrier))
    return "a client's credential beside ours";
  if (lines.some(([name, value]) => !CREDENTIALS.test(name) && value.includes(TOKEN)))
    return 'the token in another field';
  if (called('host') + called(':authority') < 1 || called('host') > 1) return `${called('host')} Host fields`;
  if (called('content-length') + called('transfer-encoding') > 1) return 'two framings';
  const stray = lines.find(
    ([name, value]) =>
      /^(?:keep-alive|proxy-connection|http2-settings|expect)$/.test(name) && value !== '100-continue',
  );
  return stray === undefined ? undefined : `the field ${stray[0]}`;
}

/** Judges all bytes that came on one connection, be they HTTP/1.1 or HTTP/2. */
export async function judge(bytes: Buffer): Promise<Judgement> {
  if (bytes.length >= 3 && PREFACE.startsWith(bytes.subarray(0, 14).toString('latin1')))
    return judgeHttp2(bytes);
  return judgeHttp1(bytes.toString('latin1'));
}

/** Reads requests strictly by RFC 9112, one behind the other; the last may be broken off. */
function judgeHttp1(text: string): Judgement {
  let requests = 0;
  for (let rest = text; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return { requests, fault: /^[A-Z][!-~]*( |$)|^$/.test(rest) ? undefined : 'no request' };
    requests += 1;
    const [first = '', ...fields] = rest.slice(0, end).split('\r\n');
    const lines = fields.map((field): [string, string] => {
      const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)$/s.exec(field) ?? [];
      return [name.toLowerCase(), value];
    });
    if (!/^\S+ \/\S* HTTP\/1\.1$/.test(first)) return { requests, fault: 'a request line that is none' };
    if (lines.some(([name, value]) => name === '' || /[\r\n\0]/.test(value)))
      return { requests, fault: 'a field line that is none' };
    const fault = findFault(lines);
    if (fault !== undefined) return { requests, fault };
    if (lines.some(([name]) => name === 'upgrade')) return { requests, fault: undefined };
    const content = findContentEnd(lines, rest, end + 4);
    if (content === undefined) return { requests, fault: undefined };
    if (content < 0) return { requests, fault: 'a chunk that is none' };
    rest = rest.slice(content);
  }
}

/** Where a request's content ends; undefined if it is broken off, negative if it is malformed. */
function findContentEnd(lines: Lines, text: string, start: number): number | undefined {
  const length = lines.find(([name]) => name === 'content-length')?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return end > text.length ? undefined : end;
  }
  if (!lines.some(([name]) => name === 'transfer-encoding')) return start;
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(size)) return -1;
    at = lineEnd + 2 + Number.parseInt(size, 16);
    if (at + 2 > text.length) return undefined;
    if (Number.parseInt(size, 16) === 0) {
      if (text.startsWith('\r\n', at)) return at + 2;
      const trailersEnd = text.indexOf('\r\n\r\n', at);
      if (trailersEnd === -1) return undefined;
      const trailers = text.slice(at, trailersEnd);
      return CREDENTIALS_IN_TRAILERS.test(trailers) ? -1 : trailersEnd + 4;
    }
    if (!text.startsWith('\r\n', at)) return -1;
    at += 2;
  }
}

const CREDENTIALS_IN_TRAILERS = /^(?:x[-_]serverless[-_]|proxy[-_])?authorization:|^host:|^content-length:/im;
/** Longest that the reader of HTTP/2 may need for what it has. */
const READING_MS = 1_000;
const READ_TYPES: ReadonlySet<number> = new Set([Frame.headers, Frame.continuation, Frame.data]);

/** Has Node's own server read the requests: heads of HTTP/2 are compressed. It never gets to answer. */
async function judgeHttp2(bytes: Buffer): Promise<Judgement> {
  const wire = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const session = performServerHandshake(wire);
  const closed = new Promise<void>((resolve) => session.once('close', resolve));
  let requests = 0;
  let fault: string | undefined;
  session.on('error', () => {});
  session.on('stream', (stream, _headers, _flags, rawHeaders: readonly string[]) => {
    requests += 1;
    stream.on('error', () => {}).resume();
    fault ??= findFault(toLines(rawHeaders));
    stream.on('trailers', (_trailers, _flags, raw?: readonly string[]) => {
      const found = toLines(raw ?? []).find(([name]) => CREDENTIALS.test(name.replaceAll('_', '-')));
      if (found !== undefined) fault ??= `${found[0]} in the trailers`;
    });
  });
  wire.push(toReadable(bytes));
  wire.push(null);
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, READING_MS);
  });
  await Promise.race([closed, tooLate]);
  clearTimeout(timer);
  session.destroy();
  return { requests, fault };
}

function toLines(raw: readonly string[]): Lines {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
}

/** The preface, and of the frames those that can be read without the other side: no acknowledgements, no windows. */
function toReadable(bytes: Buffer): Buffer {
  const kept: Buffer[] = [bytes.subarray(0, PREFACE.length)];
  for (let at = PREFACE.length; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
    if (end > bytes.length) break;
    const isOwnSettings = type === Frame.settings && flags === 0;
    if (READ_TYPES.has(type) || isOwnSettings) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}
