import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  setDefaultCACertificates,
} from 'node:tls';
import { ProxyError } from './errors.ts';

/** Also one that breaks off: that is an error to tell, not something else to pass over. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g;

/**
 * Trusts the certificate authorities in a PEM file besides those trusted already: Node's own and NODE_EXTRA_CA_CERTS, or
 * whatever `--use-system-ca` and `--use-openssl-ca` say. Process-wide, and for good: it holds for every TLS connection made
 * from here on that names no authorities of its own, by any module or library, so it is called before the first one.
 * Connections that stand are not looked at again. Calling it again, with the same file or another, adds what is new.
 * @param pemFile its full name; what in it is no certificate, such as comments or a key, is passed over
 * @throws ProxyError `config_invalid` when the file can't be read, has no certificate, or one that can't be parsed
 */
export async function trustCertificates(pemFile: string): Promise<void> {
  trustMore(parseCertificates(await readText(pemFile), pemFile));
}

/** The certificates, in PEM, that are trusted besides Node's own. */
export function listTrusted(): readonly string[] {
  return [...added];
}

/** The same for certificates that another process has read. */
export function trustMore(wanted: readonly string[]): void {
  const certificates = wanted.filter((one) => !added.has(one));
  if (certificates.length === 0) return;
  for (const certificate of certificates) added.add(certificate);
  setDefaultCACertificates([...findTrusted(), ...certificates]);
  shared = undefined;
}

const added = new Set<string>();
let shared: SecureContext | undefined;

/**
 * Whom this process trusts, for connections over TLS that name no authorities of their own. Made once: Node would make it anew for each
 * connection, which is felt where two hundred are opened at once.
 */
export function shareTrust(): SecureContext {
  shared ??= createSecureContext();
  return shared;
}

/** What Node trusts now. */
function findTrusted(): string[] {
  const trusted = getCACertificates('default');
  // With OpenSSL's store in place of Node's (`--use-openssl-ca`, some distributions) the list has no more than the extra ones.
  const isWhole = trusted.length > getCACertificates('extra').length;
  return isWhole ? trusted : [...trusted, ...getCACertificates('system')];
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown fault';
    const reason = code === 'ENOENT' ? 'there is no such file' : `it can't be read (${code})`;
    throw new ProxyError('config_invalid', `The CA file ${file} can't be trusted: ${reason}.`, {
      hint: 'Name the PEM file that holds the certificate of your certificate authority.',
      cause: error,
    });
  }
}

function parseCertificates(text: string, file: string): readonly string[] {
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw new ProxyError('config_invalid', `The CA file ${file} has no certificate in PEM in it.`, {
      hint: `For one in DER: openssl x509 -inform der -in "${file}" -out ca.pem`,
    });
  }
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw new ProxyError(
        'config_invalid',
        `Certificate ${index + 1} of ${certificates.length} in the CA file ${file} can't be parsed.`,
        { hint: 'Export it again from where it came from; part of it is missing or changed.', cause: error },
      );
    }
  }
  return certificates;
}
