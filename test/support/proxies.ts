import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import { createProxy, type RunningProxy } from '../../src/proxy.ts';
import { createTestAuthority } from './certificates.ts';
import { createFolder } from './stack.ts';

/** A proxy made from a configuration file, in this process. */
export interface TestProxy {
  readonly port: string;
  readonly proxy: RunningProxy;
  /** What was told of requests that are over. */
  readonly records: readonly ExchangeRecord[];
}

export interface TestProxyOptions {
  /** Files beside the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** What clients have to know. */
  readonly clientSecret?: string;
  /** Serve TLS with a certificate for these names, in place of clear text. */
  readonly tlsNames?: readonly string[];
}

/** Starts one that sends no tokens, on a free port of both loopback families; it is stopped after the test. */
export async function startProxy(
  t: TestContext,
  yaml: string,
  { files = {}, tlsNames, clientSecret }: TestProxyOptions = {},
): Promise<TestProxy> {
  const cwd = await createFolder(t);
  const certificate = tlsNames && createTestAuthority().issue(tlsNames);
  const listen = certificate
    ? '{ address: "localhost:0", tls: { cert: cert.pem, key: key.pem } }'
    : 'localhost:0';
  const contents = {
    ...files,
    ...(certificate && { 'cert.pem': certificate.cert, 'key.pem': certificate.key }),
    'proxy.yaml': `listen: ${listen}\ncredentials: { default: { kind: none } }\n${yaml}`,
  };
  for (const [name, content] of Object.entries(contents)) await writeFile(join(cwd, name), content);
  const env = clientSecret === undefined ? {} : { GBP_CLIENT_SECRET: clientSecret };
  const config = await resolveConfig({ flags: { admin: 'off' }, positionals: [], env, cwd });
  const records: ExchangeRecord[] = [];
  const observer = { onExchange: (record: ExchangeRecord) => void records.push(record) };
  const proxy = await createProxy({ config, env, observer });
  t.after(() => proxy.close(0));
  return { port: new URL(proxy.url).port, proxy, records };
}
