import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Measure } from '../support/process-measure.ts';
import type { Order, RelayPlan, Report } from './relay-process.ts';

/** The process with the relays in it. */
export interface RelayUnderTest {
  /** Where each relay listens, by name. */
  readonly urls: Readonly<Record<string, string>>;
  /** What it wrote to its standard error so far, and how it ended if it has; empty as long as all is well. */
  complaint(): string;
  measure(): Promise<Measure>;
  /** Measures until no more files, sockets and timers are open than at `before`, or it is clear that some stay. */
  settle(before: Measure): Promise<Measure>;
  /** @throws if anything was written to its standard error, or it ended in any other way than by draining */
  stop(): Promise<void>;
  /** For when the test failed. */
  kill(): void;
}

const PROGRAM = fileURLToPath(new URL('relay-process.ts', import.meta.url));
/** How long things may stay open that nobody uses: requests that were answered early are read on for 2 s. */
const SETTLING_MS = 12_000;
const LOOK_MS = 50;

/** @param environment added to its own, such as NODE_EXTRA_CA_CERTS */
export async function startRelayProcess(
  plans: readonly RelayPlan[],
  environment: Readonly<Record<string, string>> = {},
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
  const started = await ask(child, { kind: 'start', plans }, () => said);
  if (started.kind !== 'started') throw new Error('the relays did not start');
  const measure = async (): Promise<Measure> => {
    const report = await ask(child, { kind: 'measure' }, () => said);
    if (report.kind !== 'measured') throw new Error('the relays were not measured');
    return report.measure;
  };
  return {
    urls: started.urls,
    complaint() {
      const ending = child.signalCode ?? child.exitCode;
      return ending === null ? said : `the proxy's process ended (${ending}):\n${said}`;
    },
    measure,
    async settle(before) {
      const startMs = performance.now();
      let now = await measure();
      while (!isSettled(before, now) && performance.now() - startMs < SETTLING_MS) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        now = await measure();
      }
      return now;
    },
    async stop() {
      const exited = once(child, 'exit');
      await ask(child, { kind: 'stop' }, () => said);
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

/** @throws if the process ends instead of answering */
function ask(child: ChildProcess, order: Order, said: () => string): Promise<Report> {
  return new Promise((resolve, reject) => {
    const onMessage = (report: Report): void => {
      child.off('exit', onExit);
      resolve(report);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      child.off('message', onMessage);
      reject(new Error(`the proxy's process ended (${signal ?? code}):\n${said()}`));
    };
    if (child.exitCode !== null || child.signalCode !== null) {
      onExit(child.exitCode, child.signalCode);
      return;
    }
    child.once('message', onMessage).once('exit', onExit);
    child.send(order);
  });
}
