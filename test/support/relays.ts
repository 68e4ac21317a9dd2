import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/clock.ts';
import { toListenerUrl } from '../../src/config/address.ts';
import type {
  ListenAddress,
  ListenerConfig,
  ListenerTls,
  UnixAddress,
  UpstreamProtocol,
} from '../../src/config/config.ts';
import { type ClientSecret, createClientSecret } from '../../src/gate/client-secret.ts';
import { createSignIns } from '../../src/gate/sign-ins.ts';
import type { ExchangeRecord } from '../../src/observe/events.ts';
import type { DoorOptions } from '../../src/relay/client/door.ts';
import { attend, type Listener, listen, readAllTls } from '../../src/relay/client/listen.ts';
import type { ExchangeContext } from '../../src/relay/exchange.ts';
import { createLoad } from '../../src/relay/load.ts';
import type { Route, Site } from '../../src/relay/site.ts';
import { createOpenSockets, type OpenSockets } from '../../src/relay/upstream/open-sockets.ts';
import { createTransport } from '../../src/relay/upstream/transport.ts';
import { createUpgradeCarrier } from '../../src/relay/upstream/upgrade.ts';
import { openReception } from '../../src/workers/reception.ts';
import { route, site } from './sites.ts';

export interface Relay {
  readonly url: string;
  /** What was told to the observer so far. */
  readonly records: ExchangeRecord[];
  /** Resolves with the next record told. */
  nextRecord(): Promise<ExchangeRecord>;
  drain(deadlineMs: number): Promise<void>;
}

export interface RelayOptions {
  readonly tls?: ListenerTls;
  readonly maxConnections?: number;
  readonly maxRequests?: number;
  readonly headTimeoutMs?: number;
  readonly keepAliveMs?: number;
  readonly lingerMs?: number;
  readonly protocol?: UpstreamProtocol;
  /** Where the routes' WebSockets are to be found, to take leave of them. */
  readonly openSockets?: OpenSockets;
  /** What the exchanges know of time; the machine's if left out. */
  readonly clock?: Pick<Clock, 'now'>;
  /** What clients have to know; none if left out. */
  readonly clientSecret?: string | undefined;
  /** What accepts connections is another server than what serves them. */
  readonly isAttended?: boolean;
  /** Instead of a free port of 127.0.0.1. */
  readonly address?: ListenAddress | UnixAddress;
}

function toSecret(text: string | undefined): ClientSecret | undefined {
  return text === undefined ? undefined : createClientSecret(text, randomBytes(32));
}

/** A listener with one route at `/` to an upstream: the relay without configuration or credentials around it. */
export async function startRelay(
  t: Pick<TestContext, 'after'>,
  upstreamOrigin: string,
  change: Partial<Route> = {},
  options: RelayOptions = {},
): Promise<Relay> {
  const { protocol, openSockets = createOpenSockets() } = options;
  const connected = connectedRoute(t, upstreamOrigin, change, protocol, openSockets);
  return startSite(t, site(connected), { ...options, openSockets });
}

/** A route at `/` that can send; what it keeps open is closed after the test. */
export function connectedRoute(
  t: Pick<TestContext, 'after'>,
  upstreamOrigin: string,
  change: Partial<Route> = {},
  protocol: UpstreamProtocol = 'auto',
  openSockets: OpenSockets = createOpenSockets(),
): Route {
  const connectTimeoutMs = change.timeout?.connectMs ?? 5_000;
  const upstream = { origin: upstreamOrigin, connectTimeoutMs };
  const transport = createTransport({ ...upstream, protocol });
  t.after(() => transport.destroy());
  const upgrades = createUpgradeCarrier({ ...upstream, openSockets });
  const upstreamHost = new URL(upstreamOrigin).host;
  return route({ transport, upgrades, upstreamOrigin, upstreamHost, ...change });
}

/** A listener for a site, whatever its routes. */
export async function startSite(
  t: Pick<TestContext, 'after'>,
  compiled: Site,
  options: RelayOptions = {},
): Promise<Relay> {
  const { clock = systemClock } = options;
  const inForce = { ...compiled, listeners: [{ clientSecret: toSecret(options.clientSecret) }] };
  const records: ExchangeRecord[] = [];
  const told = new EventEmitter();
  let isDraining = false;
  const context: ExchangeContext = {
    site: () => inForce,
    observer: {
      onExchange(record) {
        records.push(record);
        told.emit('record', record);
      },
    },
    load: createLoad(options.maxRequests ?? 1_000),
    signIns: createSignIns(0),
    isDraining: () => isDraining,
    monotonicMs: () => clock.now().monotonicMs,
    wallMs: () => clock.now().wallMs,
  };
  const open = options.isAttended ? listenAndAttend : listen;
  const listener = await open(
    [{ address: options.address ?? { host: '127.0.0.1', port: 0 }, tls: options.tls }],
    {
      context,
      maxConnections: options.maxConnections ?? 1_000,
      leaveOpenSockets: () => options.openSockets?.leaveAll() ?? 0,
      ...(options.headTimeoutMs && { headTimeoutMs: options.headTimeoutMs }),
      ...(options.keepAliveMs && { keepAliveMs: options.keepAliveMs }),
      ...(options.lingerMs && { lingerMs: options.lingerMs }),
    },
  );
  t.after(() => listener.close(0));
  const [bound] = listener.addresses;
  return {
    url: bound === undefined ? '' : toListenerUrl(bound.address, bound.isTls),
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

/** As with workers, but in one process: connections are accepted by one server and served by another. */
async function listenAndAttend(
  listeners: readonly ListenerConfig[],
  options: DoorOptions,
): Promise<Pick<Listener, 'addresses' | 'close'>> {
  const attendant = attend(await readAllTls(listeners), options);
  const { addresses, close } = await openReception(listeners, (listener, socket) => {
    attendant.take(listener, socket);
    // Another process would get one that isn't paused.
    socket.resume();
  });
  return {
    addresses,
    async close(deadlineMs) {
      close();
      await attendant.close(deadlineMs);
    },
  };
}
