import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { resolveConfig } from '../../src/config/resolve.ts';
import type { ExchangeRecord, Observer } from '../../src/observe/events.ts';
import { joinObservers } from '../../src/observe/observers.ts';
import { createProxy, type RunningProxy } from '../../src/proxy.ts';
import { createTestAuthority } from './certificates.ts';
import { createFolder } from './stack.ts';

/** A proxy made from a configuration file, in this process. */
export interface TestProxy {
  readonly port: string;
  readonly proxy: RunningProxy;
  /** What was told of requests that are over. */
  readonly records: readonly ExchangeRecord[];
  /** Resolves with the next one told. */
  nextRecord(): Promise<ExchangeRecord>;
  /** Where the admin port is; empty where there is none. */
  readonly admin: string;
}

export interface TestProxyOptions {
  /** Files beside the configuration. */
  readonly files?: Readonly<Record<string, string>>;
  /** What clients have to know. */
  readonly clientSecret?: string;
  /** Serve TLS with a certificate for these names, in place of clear text. */
  readonly tlsNames?: readonly string[];
  /** Have an admin port, on any free port. */
  readonly admin?: boolean;
  /** Where clients reach it, without TLS. */
  readonly listen?: string;
  /** Told of everything as well. */
  readonly observer?: Observer;
}

/** Starts one that sends no tokens, on a free port of both loopback families; it is stopped after the test. */
export async function startProxy(
  t: TestContext,
  yaml: string,
  { files = {}, tlsNames, clientSecret, admin = false, observer, ...given }: TestProxyOptions = {},
): Promise<TestProxy> {
  const cwd = await createFolder(t);
  const certificate = tlsNames && createTestAuthority().issue(tlsNames);
  const listen = certificate
    ? '{ address: "localhost:0", tls: { cert: cert.pem, key: key.pem } }'
    : (given.listen ?? 'localhost:0');
  const contents = {
    ...files,
    ...(certificate && { 'cert.pem': certificate.cert, 'key.pem': certificate.key }),
    'proxy.yaml': `listen: ${listen}\ncredentials: { default: { kind: none } }\n${yaml}`,
  };
  for (const [name, content] of Object.entries(contents)) await writeFile(join(cwd, name), content);
  const env = clientSecret === undefined ? {} : { GBP_CLIENT_SECRET: clientSecret };
  const config = await resolveConfig({
    flags: { admin: admin ? '127.0.0.1:0' : 'off' },
    positionals: [],
    env,
    cwd,
  });
  const records: ExchangeRecord[] = [];
  const told = new EventEmitter();
  const recording = {
    onExchange(record: ExchangeRecord) {
      records.push(record);
      told.emit('record', record);
    },
  };
  const observers = observer === undefined ? [recording] : [recording, observer];
  const proxy = await createProxy({ config, env, observer: joinObservers(observers) });
  t.after(() => proxy.close(0));
  return {
    port: new URL(proxy.url).port,
    proxy,
    records,
    async nextRecord() {
      const [record] = (await once(told, 'record')) as [ExchangeRecord];
      return record;
    },
    admin: proxy.adminUrl ?? '',
  };
}
