/** The clients, in a process of their own. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { takeOrders } from '../support/orders.ts';
import { toTarget } from './exchange-plan.ts';
import { Http1Visitor } from './http1-visitor.ts';
import { Http2Visitor } from './http2-visitor.ts';
import { type OpenWebSockets, openWebSockets } from './open-websockets.ts';
import { chooseTask } from './tasks.ts';
import type { Visitor } from './visit.ts';

/** What the clients are to know. */
export interface LoadPlan {
  readonly seed: number;
  /** The proxy, in clear text and over TLS. */
  readonly plainUrl: string;
  readonly tlsUrl: string;
  /** Whose certificate it has, in PEM. */
  readonly ca: string;
  readonly routes: readonly string[];
  /** Those that take WebSockets. */
  readonly webSocketRoutes: readonly string[];
  readonly webSockets: number;
}

/** What came of the requests so far. */
export interface LoadCounts {
  readonly requests: number;
  /** Those that the client gave up, as it was meant to. */
  readonly left: number;
  readonly echoes: number;
  /** What went wrong and was not the client's doing, in words; the first of them. */
  readonly faults: readonly string[];
  readonly faultCount: number;
  /** How many of each kind there were. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** Connections, and how many requests each carries at a time. */
const LANES: readonly {
  readonly kind: 'http1' | 'http2';
  readonly isTls: boolean;
  readonly connections: number;
  readonly atOnce: number;
}[] = [
  { kind: 'http1', isTls: false, connections: 40, atOnce: 1 },
  { kind: 'http1', isTls: true, connections: 6, atOnce: 1 },
  { kind: 'http2', isTls: false, connections: 2, atOnce: 3 },
  { kind: 'http2', isTls: true, connections: 1, atOnce: 2 },
];
/** Faults after which no more requests are made: one bug tends to make thousands. */
const MOST_FAULTS = 20;
/** In place of so many requests, a WebSocket is opened, says a word, and is closed or given up. */
const WEBSOCKET_EVERY = 1_000;

let plan: LoadPlan | undefined;
let standing: OpenWebSockets | undefined;
let next = 0;
/** No request beyond this one, for now. */
let end = 0;
let requests = 0;
let left = 0;
let faultCount = 0;
const faults: string[] = [];
const kinds: Record<string, number> = {};

function addFault(fault: string): void {
  faultCount += 1;
  if (faults.length < MOST_FAULTS) faults.push(fault);
}

async function play(
  most: number,
  { seed, plainUrl, tlsUrl, ca, routes, webSocketRoutes }: LoadPlan,
): Promise<void> {
  end = next + most;
  const goOn = async (lane: string, visitor: Visitor): Promise<void> => {
    while (next < end && faultCount < MOST_FAULTS) {
      next += 1;
      const number = next;
      if (number % WEBSOCKET_EVERY === 0) {
        const url = `${plainUrl}/${webSocketRoutes[number % webSocketRoutes.length]}`;
        const fault = await visitWebSocket(url, number % (2 * WEBSOCKET_EVERY) === 0);
        if (fault !== undefined) addFault(`request ${number}, a WebSocket: ${fault}`);
        kinds.WebSocket = (kinds.WebSocket ?? 0) + 1;
      } else {
        const task = chooseTask(seed, number, routes);
        const { hasLeft, fault } = await visitor.visit(task);
        if (hasLeft) left += 1;
        if (fault !== undefined)
          addFault(
            `request ${number}, ${task.name}, ${lane}: ${task.method} ${toTarget(task.plan)}: ${fault}`,
          );
        kinds[task.name] = (kinds[task.name] ?? 0) + 1;
      }
      requests += 1;
    }
  };
  const visitors: Visitor[] = [];
  const lanes = LANES.flatMap(({ kind, isTls, connections, atOnce }) =>
    Array.from({ length: connections }, async () => {
      const url = new URL(isTls ? tlsUrl : plainUrl);
      const visitor = kind === 'http1' ? new Http1Visitor(url, ca) : new Http2Visitor(url, ca);
      visitors.push(visitor);
      const lane = `${kind}${isTls ? ' over TLS' : ''}`;
      await Promise.all(Array.from({ length: atOnce }, () => goOn(lane, visitor)));
    }),
  );
  await Promise.all(lanes);
  await Promise.all(visitors.map((visitor) => visitor.close()));
}

/** @returns what went wrong */
async function visitWebSocket(url: string, isGivenUp: boolean): Promise<string | undefined> {
  const socket = new WebSocket(url.replace('http', 'ws'), { perMessageDeflate: false });
  try {
    await once(socket, 'open');
    socket.send('hello');
    const [heard] = await once(socket, 'message');
    if (String(heard) !== 'hello') return `an echo of ${String(heard)}`;
    const closed = once(socket, 'close');
    if (isGivenUp) socket.terminate();
    else socket.close();
    await closed;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const orders = {
  /** Opens the WebSockets that stay open. */
  async prepare(given: LoadPlan) {
    plan = given;
    const { plainUrl, webSocketRoutes, webSockets, seed } = given;
    standing = await openWebSockets({
      urls: webSocketRoutes.map((route) => `${plainUrl.replace('http', 'ws')}/${route}`),
      count: webSockets,
      seed,
      onFault: addFault,
    });
  },
  /** Makes so many requests, fewer if `stop` comes before, and closes all connections but the WebSockets. */
  async play(most: number) {
    if (plan !== undefined) await play(most, plan);
  },
  /** Begins no more requests of those that are played now. */
  stop() {
    end = next;
  },
  count: (): LoadCounts => ({ requests, left, echoes: standing?.echoes() ?? 0, faults, faultCount, kinds }),
  /** Closes the WebSockets. */
  hangUp: () => standing?.close(),
};
takeOrders(orders);

export type LoadOrders = typeof orders;
