import { enableCompileCache } from 'node:module';

/*
 * The program of a worker's process, started by the primary. It ends when the primary says so or is gone. Signals are the
 * primary's business: a terminal sends its own to every process that it started.
 */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
enableCompileCache();
const { guardProcess } = await import('./guard.ts');
guardProcess();
const { runWorker } = await import('../worker.ts');
const { toPort } = await import('../workers/spawn.ts');
const flush = runWorker(toPort(process));
process.once('disconnect', () => {
  flush();
  process.exit(0);
});
// It may have been before that.
if (!process.connected) process.exit(0);
