import { availableParallelism } from 'node:os';
import { isProxyError, ProxyError } from '../errors.ts';
import type { WorkerEvent } from '../workers/crew.ts';

/** More are no use on any machine, and each has its own connections to every upstream. */
const MOST = 256;

/**
 * How many processes take requests: what the flag says, or else `GBP_WORKERS`, or else 1. `auto` is one for each core that this
 * process may use.
 * @throws ProxyError `usage`
 */
export function readWorkers(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): number {
  const [text, name] = given === undefined ? [env.GBP_WORKERS || '1', 'GBP_WORKERS'] : [given, '--workers'];
  if (text === 'auto') return availableParallelism();
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST) return count;
  throw new ProxyError('usage', `${name} ${text} is no number of processes.`, {
    hint: `Write a whole number from 1 to ${MOST}, or auto for one on each core.`,
  });
}

/** What the log says of a worker. */
export function toWorkerLine(event: WorkerEvent): {
  readonly level: 'info' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | undefined>>;
} {
  const { worker, pid } = event;
  if (event.type === 'up')
    return { level: 'info', message: `Worker ${worker} is up (pid ${pid}).`, fields: { worker, pid } };
  if (event.type === 'failed') {
    const error = isProxyError(event.error) ? event.error : undefined;
    const reason = error?.message ?? 'Unexpected failure.';
    return {
      level: 'error',
      message: `Worker ${worker} (pid ${pid}) can't take requests. ${reason}`,
      fields: { worker, pid, error: error?.code, hint: error?.hint },
    };
  }
  const { code, signal, restartMs } = event;
  return {
    level: 'error',
    message: `Worker ${worker} (pid ${pid}) has ended (${signal ?? `exit code ${code}`}), and what it carried with it. Another is started in ${Math.round(restartMs)} ms.`,
    fields: { worker, pid, exitCode: code ?? undefined, signal: signal ?? undefined },
  };
}
