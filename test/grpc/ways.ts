import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ChannelCredentials, type ChannelOptions, Client } from '@grpc/grpc-js';
import type { ListenerTls } from '../../src/config/config.ts';
import { trustCertificates } from '../../src/trust.ts';
import { createTestAuthority, type KeyedCertificate, type TestAuthority } from '../support/certificates.ts';
import { startRelay } from '../support/relays.ts';
import { createFolder } from '../support/stack.ts';

/** A way from a client to a server. */
export interface Way {
  readonly name: string;
  /** For the server; undefined where it is to speak without TLS. */
  certificate(t: TestContext): Promise<KeyedCertificate | undefined>;
  /** @returns where to call the server at this origin */
  lead(t: TestContext, origin: string): Promise<Endpoint>;
  /** What the server should find in `authorization`. */
  readonly authorization: readonly string[];
}

/** What a gRPC client is pointed at. */
export interface Endpoint {
  readonly address: string;
  readonly credentials: ChannelCredentials;
}

/** For the URL of something that speaks without TLS. */
export function toEndpoint(url: string): Endpoint {
  return { address: new URL(url).host, credentials: ChannelCredentials.createInsecure() };
}

let authority: TestAuthority | undefined;

/** One authority for the whole process, trusted by it. */
async function trustedAuthority(t: TestContext): Promise<TestAuthority> {
  if (authority === undefined) {
    const file = join(await createFolder(t), 'ca.pem');
    authority = createTestAuthority();
    await writeFile(file, authority.cert);
    await trustCertificates(file);
  }
  return authority;
}

async function writeFiles(t: TestContext, { cert, key }: KeyedCertificate): Promise<ListenerTls> {
  const folder = await createFolder(t);
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  await Promise.all([writeFile(files.certFile, cert), writeFile(files.keyFile, key)]);
  return files;
}

export const DIRECT: Way = {
  name: 'directly',
  certificate: async () => undefined,
  lead: async (_t, origin) => toEndpoint(origin),
  authorization: [],
};

export const THROUGH_PROXY: Way = {
  name: 'through the proxy',
  certificate: async () => undefined,
  async lead(t, origin) {
    const { url } = await startRelay(t, origin);
    return toEndpoint(url);
  },
  authorization: ['Bearer token'],
};

export const THROUGH_PROXY_WITH_TLS: Way = {
  name: 'through the proxy, with TLS on both sides',
  certificate: async (t) => (await trustedAuthority(t)).issue(['localhost']),
  async lead(t, origin) {
    const { cert, issue } = await trustedAuthority(t);
    const { url } = await startRelay(t, origin, {}, { tls: await writeFiles(t, issue(['localhost'])) });
    return {
      address: `localhost:${new URL(url).port}`,
      credentials: ChannelCredentials.createSsl(Buffer.from(cert)),
    };
  },
  authorization: ['Bearer token'],
};

export const WAYS: readonly Way[] = [DIRECT, THROUGH_PROXY, THROUGH_PROXY_WITH_TLS];

/** A client with a connection of its own; closed after the test. */
export function createClient(
  t: TestContext,
  { address, credentials }: Endpoint,
  options: ChannelOptions = {},
): Client {
  const client = new Client(address, credentials, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** A client of a server without TLS, through a proxy that speaks without as well. */
export async function createProxiedClient(
  t: TestContext,
  origin: string,
  options: ChannelOptions = {},
): Promise<Client> {
  return createClient(t, await THROUGH_PROXY.lead(t, origin), options);
}
