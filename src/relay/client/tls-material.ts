import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { ListenerTls } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';

/**
 * Reads a listener's certificate and private key.
 * @throws ProxyError `config_invalid` for files that can't be read, or don't belong together
 */
export async function readTlsMaterial({ certFile, keyFile }: ListenerTls): Promise<SecureContextOptions> {
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
  return material;
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
