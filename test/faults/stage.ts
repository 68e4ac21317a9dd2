import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestAuthority } from '../support/certificates.ts';
import { type Verdicts, visit } from './client.ts';
import type { ClientConduct } from './client-conduct.ts';
import { openDoors } from './door-conducts.ts';
import { FaultExchange } from './exchange.ts';
import { visitHttp2 } from './http2-client.ts';
import { createRandom } from './random.ts';
import type { RelayPlan } from './relay-process.ts';
import { type RelayUnderTest, startRelayProcess } from './relay-under-test.ts';
import { findFault, toExpectation } from './rules.ts';
import { describe } from './script.ts';
import { sharedNowMs, watchStalls } from './stalls.ts';
import { type ScriptedUpstream, startScriptedUpstream } from './upstream.ts';
import type { UpstreamConduct } from './upstream-conduct.ts';

/** Who plays what. */
export interface Combination {
  readonly client: ClientConduct;
  readonly upstream: UpstreamConduct;
  /** Decides what is left to chance: where something is cut. */
  readonly seed: number;
}

/** What went wrong with an exchange. */
export interface Fault {
  /** All that is needed to see it again. */
  readonly text: string;
  /** It may only be that this machine was busy. */
  readonly mayBeTime: boolean;
}

/** The relays under test between scripted clients and scripted upstreams. */
export interface Stage {
  readonly relays: RelayUnderTest;
  /** Plays one exchange, again where what went wrong may only be that this machine was busy. @returns what went wrong */
  play(combination: Combination): Promise<Fault | undefined>;
  /** Closes all that the upstreams still have open. */
  hangUp(): void;
  close(): Promise<void>;
}

/** Silence that the relays bear. As short as it may be on a busy machine. */
const LIMIT_MS = 400;
/** A process that stands still for longer may take for silence what is none. */
const STALL_MS = LIMIT_MS / 8;
/** Relays whose connections one exchange has to itself. */
const SOLOS = 24;
/** How often an exchange is played again that one of the two processes was too slow for. */
const MOST_TRIES = 5;
const FROM_BEFORE = ['502 upstream_reset', '502 bad_upstream_response'];
/** An exchange that takes longer hangs. */
const HANG_MS = 15_000;

/** Starts everything. */
export async function createStage(): Promise<Stage> {
  const exchanges = new Map<string, FaultExchange>();
  const shared = await startScriptedUpstream(exchanges, true);
  const alone = await startScriptedUpstream(exchanges, false);
  const authority = createTestAuthority();
  const doors = await openDoors(authority);
  const upstreams: readonly ScriptedUpstream[] = [shared, alone, ...doors.upstreams];
  const folder = await mkdtemp(join(tmpdir(), 'faults-'));
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.cert);
  const solos = Array.from({ length: SOLOS }, (_, at) => `solo ${at}`);
  const plans: readonly RelayPlan[] = [
    { name: 'shared', upstreamOrigin: shared.origin, limitMs: LIMIT_MS },
    { name: 'handshakes', upstreamOrigin: alone.origin, limitMs: LIMIT_MS },
    { name: 'patient', upstreamOrigin: alone.origin, limitMs: 0 },
    ...solos.map((name) => ({ name, upstreamOrigin: alone.origin, limitMs: LIMIT_MS })),
    ...doors.places.map((place) => ({ ...place, limitMs: LIMIT_MS })),
  ];
  const closeUpstreams = async (): Promise<void> => {
    await rm(folder, { recursive: true });
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  };
  const relays = await startRelayProcess(plans, {
    stallMs: STALL_MS,
    environment: { NODE_EXTRA_CA_CERTS: caFile },
  }).catch(async (error: unknown) => {
    await closeUpstreams();
    throw error;
  });
  const stalls = watchStalls(STALL_MS);
  const soloRelays = createPool(solos);
  const doorRelays = new Map(doors.places.map(({ name }) => [name, createPool([name])]));
  /** Doors whose connection may still break for what an exchange before did that its client did not wait for. */
  const tainted = new Set<string>();
  let count = 0;

  const playOn = async (
    name: string,
    { client, upstream, seed }: Combination,
  ): Promise<string | undefined> => {
    count += 1;
    const exchange = new FaultExchange({
      id: `x${count}`,
      random: createRandom(seed),
      isHead: client.method === 'HEAD',
      toUpstreamScript: upstream.script,
      toClientScript: client.script,
    });
    exchanges.set(exchange.id, exchange);
    if (upstream.door !== undefined) exchange.marks.reach('upstream rests');
    const own = toExpectation(client, upstream);
    const expected = tainted.delete(name) ? { ...own, verdicts: [...own.verdicts, ...FROM_BEFORE] } : own;
    const plan = { responses: expected.responses, awaitsClose: expected.afterwards !== undefined };
    const playing = (async (): Promise<Verdicts> => {
      const origin = new URL(relays.urls[name] ?? '');
      const verdicts =
        client.http2 === undefined
          ? await visit(origin, exchange, plan)
          : await visitHttp2(origin, exchange, client.http2);
      exchange.marks.reach('client is done');
      // What was begun upstream has to end as well: whole, or by a connection that closes.
      await exchange.settled();
      return verdicts;
    })().catch((error: unknown): Verdicts => [`what failed in the test itself: ${error}`]);
    const verdicts = await Promise.race([playing, hang()]);
    exchange.marks.reach('client is done');
    exchanges.delete(exchange.id);
    const fault = findFault(expected, verdicts, exchange.seen) ?? exchange.complaints[0];
    if (fault === undefined) return undefined;
    return [
      `client "${client.name}", upstream "${upstream.name}", seed ${seed}: ${fault}`,
      `  client:   ${describe(exchange.clientScript)}`,
      `  upstream: ${describe(exchange.upstreamScript)}`,
    ].join('\n');
  };

  const playOnce = async (combination: Combination): Promise<string | undefined> => {
    const { client, upstream } = combination;
    if (upstream.door !== undefined && upstream.isSolo !== true) return playOn(upstream.door, combination);
    const isAlone = upstream.isSolo === true || client.method === 'HEAD';
    if (upstream.door === undefined && client.manner.kind === 'gone') return playOn('patient', combination);
    // A handshake has a connection of its own anyway.
    if (client.isHandshake && upstream.door === undefined) return playOn('handshakes', combination);
    if (!isAlone) return playOn('shared', combination);
    const pool = (upstream.door === undefined ? undefined : doorRelays.get(upstream.door)) ?? soloRelays;
    const name = await pool.take();
    try {
      return await playOn(name, combination);
    } finally {
      if (upstream.door !== undefined && client.manner.kind !== 'whole') tainted.add(name);
      pool.giveBack(name);
    }
  };

  return {
    relays,
    async play(combination) {
      for (let tries = 1; ; tries += 1) {
        const beganMs = sharedNowMs();
        const text = await playOnce(combination);
        if (text === undefined) return undefined;
        // Where a process stood still, be it this one or that of the relays, limits may have passed that nobody was silent for. What is
        // wrong is wrong each time.
        const stalledMs = Math.max(stalls.lastMs(), await relays.lastStallMs());
        const mayBeTime = stalledMs >= beganMs || text.includes('_timeout');
        if (!mayBeTime || tries === MOST_TRIES) return { text, mayBeTime };
      }
    },
    hangUp() {
      for (const { sockets } of upstreams) for (const socket of sockets) socket.destroy();
    },
    async close() {
      stalls.stop();
      await closeUpstreams();
    },
  };
}

/** Relays that one exchange has to itself at a time. */
interface Pool {
  take(): Promise<string>;
  giveBack(name: string): void;
}

function createPool(names: readonly string[]): Pool {
  const free = [...names];
  const waiting: ((name: string) => void)[] = [];
  return {
    take: () =>
      new Promise((resolve) => {
        const name = free.pop();
        if (name === undefined) waiting.push(resolve);
        else resolve(name);
      }),
    giveBack(name) {
      const next = waiting.shift();
      if (next === undefined) free.push(name);
      else next(name);
    },
  };
}

function hang(): Promise<Verdicts> {
  return new Promise((resolve) => {
    setTimeout(() => resolve([`nothing within ${HANG_MS} ms: it hangs`]), HANG_MS).unref();
  });
}
