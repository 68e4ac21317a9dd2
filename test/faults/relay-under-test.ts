import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { giveOrders } from '../support/orders.ts';
import type { Measure } from '../support/process-measure.ts';
import { isLevel } from './level.ts';
import type { RelayOrders, RelayPlan } from './relay-process.ts';

/** The process with the relays in it. */
export interface RelayUnderTest {
  /** Where each relay listens, by name. */
  readonly urls: Readonly<Record<string, string>>;
  /** What it wrote to its standard error so far, and how it ended if it has; empty as long as all is well. */
  complaint(): string;
  measure(): Promise<Measure>;
  /** When it last stood still for too long, by `sharedNowMs`; 0 if it never did. */
  lastStallMs(): Promise<number>;
  /**
   * Measures until no more files, sockets and timers are open than at `before`, and memory is level with `halfway` where that is given; or
   * until it is clear that something stays.
   */
  settle(before: Measure, halfway?: Measure): Promise<Measure>;
  /** @throws if anything was written to its standard error, or it ended in any other way than by draining */
  stop(): Promise<void>;
  /** For when the test failed. */
  kill(): void;
}

const PROGRAM = fileURLToPath(new URL('relay-process.ts', import.meta.url));
/** How long things may stay open that nobody uses: requests that were answered early are read on for 2 s. */
const SETTLING_MS = 12_000;
const LOOK_MS = 50;

export interface RelayProcessOptions {
  /** Added to its own, such as NODE_EXTRA_CA_CERTS. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Longest it may stand still without telling. */
  readonly stallMs?: number;
}

export async function startRelayProcess(
  plans: readonly RelayPlan[],
  { environment = {}, stallMs = 1_000 }: RelayProcessOptions = {},
): Promise<RelayUnderTest> {
  const child = fork(PROGRAM, {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const relays = giveOrders<RelayOrders>(child, () => said);
  const urls = await relays.ask('start', { plans, stallMs });
  const measure = (): Promise<Measure> => relays.ask('measure');
  return {
    urls,
    complaint() {
      const ending = child.signalCode ?? child.exitCode;
      return ending === null ? said : `the proxy's process ended (${ending}):\n${said}`;
    },
    measure,
    lastStallMs: () => relays.ask('lastStallMs'),
    async settle(before, halfway) {
      const startMs = performance.now();
      const isOver = (now: Measure): boolean =>
        isSettled(before, now) && (halfway === undefined || isLevel(halfway, now));
      let now = await measure();
      while (!isOver(now) && performance.now() - startMs < SETTLING_MS) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        now = await measure();
      }
      return now;
    },
    async stop() {
      const exited = once(child, 'exit');
      await relays.ask('stop');
      const [code] = await exited;
      assert.equal(said, '', 'the proxy wrote to its standard error');
      assert.equal(code, 0);
    },
    kill: () => child.kill('SIGKILL'),
  };
}

function isSettled(before: Measure, now: Measure): boolean {
  return (
    (now.files ?? 0) <= (before.files ?? 0) && now.sockets <= before.sockets && now.timers <= before.timers
  );
}
