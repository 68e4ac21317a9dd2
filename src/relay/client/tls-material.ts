import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { ListenerTls } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';

/** What a listener speaks TLS with. */
export interface TlsMaterial extends SecureContextOptions {
  /** Both, where clients have to show a certificate that `ca` has signed. */
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Reads a listener's certificate and private key, and whose certificates its clients need (mutual TLS).
 * @throws ProxyError `config_invalid` for files that can't be read, don't belong together, or hold no certificates
 */
export async function readTlsMaterial({
  certFile,
  keyFile,
  clientCaFile,
}: ListenerTls): Promise<TlsMaterial> {
  const material = {
    cert: await readPem(certFile),
    key: await readPem(keyFile),
    minVersion: 'TLSv1.2' as const,
  };
  try {
    createSecureContext(material);
  } catch (cause) {
    throw new ProxyError(
      'config_invalid',
      `${certFile} and ${keyFile} are not a certificate and its private key (PEM).`,
      {
        hint: 'listen.tls.cert is the certificate with what it was signed by, listen.tls.key the key it was made for.',
        cause,
      },
    );
  }
  if (clientCaFile === undefined) return material;
  return {
    ...material,
    ca: await readAuthorities(clientCaFile),
    requestCert: true,
    rejectUnauthorized: true,
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Node leaves out what is none, and with nothing left nobody would get in and nobody know why. */
async function readAuthorities(file: string): Promise<string[]> {
  const blocks = (await readPem(file)).toString('latin1').match(CERTIFICATE) ?? [];
  try {
    if (blocks.length === 0) throw new TypeError('no certificate');
    for (const block of blocks) new X509Certificate(block);
    return blocks;
  } catch (cause) {
    throw new ProxyError(
      'config_invalid',
      `${file} holds no certificates (PEM), or one that can't be read.`,
      {
        hint: 'listen.tls.clientCa is what the certificates of clients are signed by.',
        cause,
      },
    );
  }
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unreadable';
    throw new ProxyError('config_invalid', `${file}, which listen.tls names, can't be read (${code}).`, {
      cause,
    });
  }
}
