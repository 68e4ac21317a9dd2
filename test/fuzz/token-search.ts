import { TOKEN } from './dictionary.ts';

const BITS = 8;
const PLAIN = Buffer.from(TOKEN);
/** As HPACK's Huffman code has it (RFC 7541, appendix B): X is 11111100, Z is 11111101. */
const CODED = Buffer.from([...TOKEN].map((letter) => (letter === 'X' ? 0xfc : 0xfd)));
/** Inside of a field's value it may start at any bit; what is left of its first and last byte is not looked at. */
const SHIFTED = Array.from({ length: BITS }, (_, bits) =>
  Buffer.from(
    Array.from(
      CODED.subarray(1),
      (byte, at) => ((((CODED[at] ?? 0) << BITS) | byte) >> (BITS - bits)) & 0xff,
    ),
  ),
);

/** Whether the token is in what a client got, in clear text or in a compressed head. */
export function holdsToken(bytes: Buffer): boolean {
  return bytes.includes(PLAIN) || SHIFTED.some((code) => bytes.includes(code));
}
