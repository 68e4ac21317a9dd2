/**
 * Requests as RFC 9112 allows them and no other way: what a second reader could see differently is a violation. Shares no line with the
 * proxy. Beyond the RFC it takes only raw `"<>\^{|}` and bytes from 0x80 in a target, which curl and browsers send and R14 keeps.
 */

/** A request's head. Text is latin1: a character is a byte. */
export interface WireHead {
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1';
  /** Name, value, name, value. */
  readonly lines: readonly string[];
  readonly framing: 'none' | 'length' | 'chunked';
  /** Of `Content-Length`. */
  readonly length: number;
}

/** A request, whole. */
export interface WireRequest extends WireHead {
  readonly body: string;
  readonly trailers: readonly string[];
}

/** A head whose body is not whole. */
export interface WirePart {
  readonly head: WireHead;
  /** Of the body so far. */
  readonly body: string;
}

/** What bytes hold: requests, and what became of the bytes behind the last of them. */
export interface Reading {
  readonly requests: readonly WireRequest[];
  /** `last`: the last request was to be the last on its connection, and what follows counts for nothing. */
  readonly end: 'clean' | 'last' | 'incomplete' | 'violation';
  /** What is wrong, for a violation. */
  readonly violation: string | undefined;
  /** For the ends `incomplete` and `violation`, where a head was whole before. */
  readonly part: WirePart | undefined;
}

class Violation extends Error {}
class Incomplete extends Error {}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?$/;
/** Extensions (RFC 9112, section 7.1.1) are ignored, whatever is in them: none goes on. */
const CHUNK_LINE = /^([0-9A-Fa-f]+)(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;
/** RFC 9112, section 3.2. */
const ANY_FORM = /^(?:\/|http:\/\/|\*$)/i;

/** Where a reader is in its text. */
interface Place {
  readonly text: string;
  at: number;
}

/**
 * Reads all that bytes hold.
 * @param side who sends them. What a client sends may have empty lines in front and more spaces than one in its first line, which RFC 9112
 * lets a server read over (sections 2.2 and 3), and may call itself RTSP, which Node takes for HTTP: none of it goes on. A request with
 * `Connection: close` is the client's last
 */
export function readRequests(text: string, { side }: { readonly side: 'client' | 'upstream' }): Reading {
  const place: Place = { text, at: 0 };
  const isFromClient = side === 'client';
  const requests: WireRequest[] = [];
  for (;;) {
    if (isFromClient) while (text[place.at] === '\r' || text[place.at] === '\n') place.at += 1;
    if (place.at === text.length) return { requests, end: 'clean', violation: undefined, part: undefined };
    const body: string[] = [];
    let head: WireHead | undefined;
    try {
      head = readHead(place, isFromClient ? LENIENT_LINE : STRICT_LINE);
      const trailers = readBody(place, head, body);
      requests.push({ ...head, body: body.join(''), trailers });
    } catch (error) {
      const part = head === undefined ? undefined : { head, body: body.join('') };
      if (error instanceof Incomplete) return { requests, end: 'incomplete', violation: undefined, part };
      if (!(error instanceof Violation)) throw error;
      return { requests, end: 'violation', violation: error.message, part };
    }
    if (isFromClient && isLast(head)) {
      return { requests, end: 'last', violation: undefined, part: undefined };
    }
  }
}

/** The values of a field, in order. */
export function valuesOf(lines: readonly string[], lowerName: string): string[] {
  return lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === lowerName);
}

/** The members of a list field, lower case. */
export function membersOf(lines: readonly string[], lowerName: string): string[] {
  return valuesOf(lines, lowerName)
    .flatMap((value) => value.split(','))
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase())
    .filter((member) => member !== '');
}

function isLast({ version, lines }: WireHead): boolean {
  const options = membersOf(lines, 'connection');
  return options.includes('close') || (version === '1.0' && !options.includes('keep-alive'));
}

function readLine(place: Place): string {
  for (let i = place.at; ; i += 1) {
    const character = place.text[i];
    if (character === undefined) throw new Incomplete();
    if (character === '\n') throw new Violation('a bare LF');
    if (character !== '\r') continue;
    if (i + 1 === place.text.length) throw new Incomplete();
    if (place.text[i + 1] !== '\n') throw new Violation('a bare CR');
    const line = place.text.slice(place.at, i);
    place.at = i + 2;
    return line;
  }
}

const STRICT_LINE = /^([^ ]+) ([^ ]+) HTTP\/(1\.[01])$/;
const LENIENT_LINE = /^([^ ]+) +([^ ]+) +(?:HTTP|RTSP)\/(1\.[01])$/;

function readHead(place: Place, requestLine: RegExp): WireHead {
  const [, method = '', target = '', minor] = requestLine.exec(readLine(place)) ?? [];
  if (minor !== '1.0' && minor !== '1.1') throw new Violation('a malformed request line');
  if (!TOKEN.test(method)) throw new Violation('a method that is no token');
  if (!TARGET.test(target)) throw new Violation('a target with bytes that none has');
  if (!ANY_FORM.test(target)) throw new Violation('a target in no form of one');
  const lines = readFields(place);
  const hosts = valuesOf(lines, 'host');
  if (hosts.length > 1 || (hosts.length === 0 && minor === '1.1')) throw new Violation('not one Host');
  if (!HOST.test(hosts[0] ?? '')) throw new Violation('a malformed Host');
  return { method, target, version: minor, lines, ...toFraming(lines, minor) };
}

function readFields(place: Place): string[] {
  const lines: string[] = [];
  for (let line = readLine(place); line !== ''; line = readLine(place)) {
    const colon = line.indexOf(':');
    if (colon === -1) throw new Violation('a field line without a colon');
    const name = line.slice(0, colon);
    if (!TOKEN.test(name)) throw new Violation('a field name that is no token');
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (!VALUE.test(value)) throw new Violation('a control character in a field value');
    lines.push(name, value);
  }
  return lines;
}

/** RFC 9112, section 6.3, without what it lets a recipient repair. */
function toFraming(lines: readonly string[], version: string): Pick<WireHead, 'framing' | 'length'> {
  const lengths = valuesOf(lines, 'content-length');
  const codings = valuesOf(lines, 'transfer-encoding');
  if (codings.length > 0) {
    if (version === '1.0') throw new Violation('a Transfer-Encoding in HTTP/1.0');
    if (lengths.length > 0) throw new Violation('two framings');
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked')
      throw new Violation('a coding other than chunked');
    return { framing: 'chunked', length: 0 };
  }
  if (lengths.length > 1 || !/^[0-9]{1,15}$/.test(lengths[0] ?? '0')) throw new Violation('not one length');
  return { framing: lengths.length === 0 ? 'none' : 'length', length: Number(lengths[0] ?? 0) };
}

/** Reads a body into `body`, and gives the trailers. */
function readBody(place: Place, { framing, length }: WireHead, body: string[]): string[] {
  if (framing === 'none') return [];
  if (framing === 'length') {
    readData(place, length, body);
    return [];
  }
  for (;;) {
    const digits = CHUNK_LINE.exec(readChunkLine(place))?.[1];
    if (digits === undefined) throw new Violation('a malformed chunk size');
    if (digits.replace(/^0+/, '').length > 16) throw new Violation('an unbelievable chunk size');
    const size = Number.parseInt(digits, 16);
    if (size === 0) return readFields(place);
    readData(place, size, body);
    const end = place.text.slice(place.at, place.at + 2);
    if (!'\r\n'.startsWith(end)) throw new Violation('a chunk that is not as long as it says');
    if (end.length < 2) throw new Incomplete();
    place.at += 2;
  }
}

/** A size that is none is told at its first byte, not at the end of its line. */
function readChunkLine(place: Place): string {
  const first = place.text[place.at];
  if (first !== undefined && !/[0-9A-Fa-f]/.test(first)) throw new Violation('a malformed chunk size');
  return readLine(place);
}

function readData(place: Place, size: number, body: string[]): void {
  const data = place.text.slice(place.at, place.at + size);
  body.push(data);
  place.at += data.length;
  if (data.length < size) throw new Incomplete();
}
