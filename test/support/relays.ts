import { EventEmitter, once } from 'node:events';
import type { TestContext } from 'node:test';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import { listen } from '../../src/relay/listen.ts';
import type { Route } from '../../src/relay/site.ts';
import { createTransport } from '../../src/relay/transport.ts';
import { createUpgradeCarrier } from '../../src/relay/upgrade.ts';
import { route, site } from './sites.ts';

export interface Relay {
  readonly url: string;
  /** What was told to the observer so far. */
  readonly records: ExchangeRecord[];
  /** Resolves with the next record told. */
  nextRecord(): Promise<ExchangeRecord>;
  drain(deadlineMs: number): Promise<void>;
}

/** A listener with one route at `/` to an upstream: the relay without configuration or credentials around it. */
export async function startRelay(
  t: TestContext,
  upstreamOrigin: string,
  change: Partial<Route> = {},
): Promise<Relay> {
  const connectTimeoutMs = change.timeout?.connectMs ?? 5_000;
  const options = { origin: upstreamOrigin, connectTimeoutMs };
  const transport = createTransport(options);
  const upgrades = createUpgradeCarrier(options);
  const upstreamHost = new URL(upstreamOrigin).host;
  const compiled = site(route({ transport, upgrades, upstreamOrigin, upstreamHost, ...change }));
  const records: ExchangeRecord[] = [];
  const told = new EventEmitter();
  let isDraining = false;
  const listener = await listen([{ host: '127.0.0.1', port: 0 }], {
    site: () => compiled,
    scheme: 'http',
    observer: {
      onExchange(record) {
        records.push(record);
        told.emit('record', record);
      },
    },
    isDraining: () => isDraining,
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
  });
  t.after(async () => {
    await listener.close(0);
    transport.destroy();
  });
  return {
    url: `http://127.0.0.1:${listener.addresses[0]?.port}`,
    records,
    async nextRecord() {
      const [record] = (await once(told, 'record')) as [ExchangeRecord];
      return record;
    },
    async drain(deadlineMs) {
      isDraining = true;
      await listener.close(deadlineMs);
    },
  };
}
