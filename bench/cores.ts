import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Two cores: one for whatever is measured, one for all that measures it. */
export interface Cores {
  readonly contender: number;
  readonly load: number;
}

/** The first two cores this process may use, or undefined where they can't be told apart or `taskset` is missing. */
export function findCores(): Cores | undefined {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0) return undefined;
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const [contender, load] = allowed.split(',').flatMap(toCores);
  return contender === undefined || load === undefined ? undefined : { contender, load };
}

/** `command`, held to one core; unchanged where there is none to hold it to. */
export function pin(core: number | undefined, command: readonly string[]): readonly string[] {
  return core === undefined ? command : ['taskset', '--cpu-list', String(core), ...command];
}

/** `2-4` is cores 2, 3 and 4. */
function toCores(range: string): number[] {
  const [first = Number.NaN, last = first] = range.split('-').map(Number);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
