import { type KeyObject, sign } from 'node:crypto';

/** Object identifiers, already in DER; `sha256WithRSAEncryption` with its NULL parameter. */
const SHA256_WITH_RSA = Buffer.from('300d06092a864886f70d01010b0500', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');

/** The address of every server here, as an `iPAddress` of `subjectAltName` (RFC 5280, section 4.2.1.6). */
const LOOPBACK = Buffer.from([127, 0, 0, 1]);

/** Fixed: who trusts this certificate trusts its key, whatever the injected clock says. */
const VALID_FROM = '240101000000Z';
const VALID_UNTIL = '491231235959Z';

/** One DER value: tag, length, content (X.690, sections 8.1 and 10.1). */
function toDer(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
  const length =
    content.length < 0x100 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => toDer(0x30, ...parts);
const bitString = (bytes: Buffer): Buffer => toDer(0x03, Buffer.from([0]), bytes);
const utcTime = (text: string): Buffer => toDer(0x17, Buffer.from(text));

/**
 * A self-signed X.509 certificate (RFC 5280, section 4.1) in PEM for an RSA key pair, as Google serves them for its
 * signing keys. Nothing but the key and a common name, and that it is good for a server on loopback.
 */
export function toCertificate(privateKey: KeyObject, publicKey: KeyObject, commonName: string): string {
  const name = sequence(toDer(0x31, sequence(COMMON_NAME, toDer(0x0c, Buffer.from(commonName)))));
  const toBeSigned = sequence(
    toDer(0xa0, toDer(0x02, Buffer.from([2]))), // version 3
    toDer(0x02, Buffer.from([1])), // serial number
    SHA256_WITH_RSA,
    name, // issuer
    sequence(utcTime(VALID_FROM), utcTime(VALID_UNTIL)),
    name, // subject
    publicKey.export({ type: 'spki', format: 'der' }),
    toDer(0xa3, sequence(sequence(SUBJECT_ALT_NAME, toDer(0x04, sequence(toDer(0x87, LOOPBACK)))))),
  );
  const certificate = sequence(
    toBeSigned,
    SHA256_WITH_RSA,
    bitString(sign('sha256', toBeSigned, privateKey)),
  );
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
