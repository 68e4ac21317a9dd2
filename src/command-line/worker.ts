import { runWorker } from '../worker.ts';
import { toPort } from '../workers/spawn.ts';
import { guardProcess } from './guard.ts';

/*
 * The program of a worker's process, started by the primary. It ends when the primary says so or is gone. Signals are the
 * primary's business: a terminal sends its own to every process that it started.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
guardProcess();
const flush = runWorker(toPort(process));
process.once('disconnect', () => {
  flush();
  process.exit(0);
});
