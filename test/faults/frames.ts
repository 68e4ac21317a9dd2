/** Frames of HTTP/2 made by hand (RFC 9113, section 4.1), as Latin-1 text for scripts: only so can they be wrong. */

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
};
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;

export function frame(type: number, flags: number, stream: number, payload: string): string {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return head.toString('latin1') + payload;
}

export const SETTINGS = frame(TYPE.settings, 0, 0, '');
export const SETTINGS_ACK = frame(TYPE.settings, 1, 0, '');

export function uint32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('latin1');
}

const text = (value: string): string => String.fromCharCode(value.length) + value;

/** A request's head in HPACK (RFC 7541), without compression: values up to 126 bytes. */
export function requestBlock(method: 'GET' | 'POST', path: string): string {
  return `${method === 'GET' ? '\x82' : '\x83'}\x86\x04${text(path)}\x01${text('localhost')}`;
}

/** A response's head: 200, and whose it is. */
export function responseBlock(exchange: string): string {
  return `\x88\x00${text('x-exchange')}${text(exchange)}`;
}
