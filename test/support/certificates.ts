import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A key with the certificate for it, both in PEM. */
export interface KeyedCertificate {
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority that nobody trusts until told to. */
export interface TestAuthority {
  /** Its own certificate, in PEM. */
  readonly cert: string;
  /** A server's certificate for these host names; `*.` stands for one label. */
  issue(hosts: readonly string[], options?: { readonly isExpired?: boolean }): KeyedCertificate;
}

// Object identifiers in DER.
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_KEY_ID = Buffer.from('0603551d0e', 'hex');
const KEY_USAGE = Buffer.from('0603551d0f', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const AUTHORITY_KEY_ID = Buffer.from('0603551d23', 'hex');

const TRUE = Buffer.from('0101ff', 'hex');
const KEY_CERT_SIGN = Buffer.from('03020204', 'hex');
const DIGITAL_SIGNATURE = Buffer.from('03020780', 'hex');

/** One DER value: tag, length, content (X.690, sections 8.1 and 10.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const octets = (...parts: readonly Buffer[]): Buffer => der(0x04, ...parts);
const time = (text: string): Buffer => der(0x17, Buffer.from(text));
const toName = (text: string): Buffer =>
  sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));

/** A critical extension, or one that isn't (RFC 5280, section 4.1). */
const critical = (id: Buffer, value: Buffer): Buffer => sequence(id, TRUE, octets(value));
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, octets(value));

const toSpki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const toKeyId = (key: KeyObject): Buffer => createHash('sha1').update(toSpki(key)).digest();

interface Certificate {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly ends?: string;
}

function toPem({
  issuer,
  subject,
  publicKey,
  signer,
  extensions,
  ends = '491231235959Z',
}: Certificate): string {
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1]), randomBytes(8)), // serial number
    ECDSA_WITH_SHA256,
    toName(issuer),
    sequence(time('240101000000Z'), time(ends)),
    toName(subject),
    toSpki(publicKey),
    der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, signer));
  const base64 = sequence(toBeSigned, ECDSA_WITH_SHA256, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}

/** Makes one, in a few milliseconds and without a program for it, as not every machine has `openssl`. */
export function createTestAuthority(): TestAuthority {
  const issuer = 'gcp-bearer-proxy test authority';
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authorityKeyId = toKeyId(authority.publicKey);
  const base = { issuer, signer: authority.privateKey };
  return {
    cert: toPem({
      ...base,
      subject: issuer,
      publicKey: authority.publicKey,
      extensions: [
        critical(BASIC_CONSTRAINTS, sequence(TRUE)),
        critical(KEY_USAGE, KEY_CERT_SIGN),
        extension(SUBJECT_KEY_ID, octets(authorityKeyId)),
      ],
    }),
    issue(hosts, { isExpired = false } = {}) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const names = hosts.map((host) => der(0x82, Buffer.from(host)));
      const cert = toPem({
        ...base,
        subject: 'gcp-bearer-proxy test server',
        ...(isExpired && { ends: '240102000000Z' }),
        publicKey,
        extensions: [
          critical(KEY_USAGE, DIGITAL_SIGNATURE),
          extension(SUBJECT_ALT_NAME, sequence(...names)),
          extension(AUTHORITY_KEY_ID, sequence(der(0x80, authorityKeyId))),
        ],
      });
      return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert };
    },
  };
}
