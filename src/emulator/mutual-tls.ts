import type { Clock } from '../clock.ts';
import { toCertificate } from './certificate.ts';
import type { CredentialJson } from './credentials.ts';
import { toCertificateFile } from './federated-credentials.ts';
import { generateSigningKey } from './keys.ts';
import { listenOnLoopback, type RequestHandler } from './listen.ts';
import { CERTIFICATE_SUBJECT } from './pool.ts';

/** Google over mutual TLS, all of it, in place of `https://sts.mtls.googleapis.com` and the like. */
export interface MutualTls {
  /** Its origin, `https://127.0.0.1:port`. */
  readonly url: string;
  /** Certificate of the server, which a client has to trust; in PEM. */
  readonly caPem: string;
  /** What a workload shows who it is with; in PEM. */
  readonly client: { readonly cert: string; readonly key: string };
  /**
   * A credential file that leads to a certificate configuration at this path, which in turn leads to the certificate and
   * its key: `{"cert_configs":{"workload":{"cert_path":"…","key_path":"…"}}}`.
   */
  toCredential(configPath: string): CredentialJson;
}

export interface MutualTlsServer extends MutualTls {
  close(): Promise<void>;
}

export interface MutualTlsOptions {
  readonly clock: Clock;
  readonly handle: RequestHandler;
  readonly universeDomain: string;
}

/** Starts the endpoint. A connection without the one certificate its trust anchor knows doesn't come about. */
export async function startMutualTls({
  clock,
  handle,
  universeDomain,
}: MutualTlsOptions): Promise<MutualTlsServer> {
  const [server, client] = await Promise.all([
    generateKeyedCertificate('127.0.0.1'),
    generateKeyedCertificate(CERTIFICATE_SUBJECT),
  ]);
  const tls = { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true };
  const listener = await listenOnLoopback({ port: 0, clock, handle, tls });
  return {
    url: listener.origin,
    caPem: server.cert,
    client,
    toCredential: (configPath) => toCertificateFile(configPath, { origin: listener.origin, universeDomain }),
    close: () => listener.close(),
  };
}

async function generateKeyedCertificate(commonName: string): Promise<{ cert: string; key: string }> {
  const { privateKey, publicKey } = await generateSigningKey();
  return {
    cert: toCertificate(privateKey, publicKey, commonName),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
