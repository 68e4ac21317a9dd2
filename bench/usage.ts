import { readFileSync, writeFileSync } from 'node:fs';

/** Clock ticks a second in `/proc`; 100 on every Linux Node runs on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_SECOND = 100;

/** What a process and its children have used. */
export interface Usage {
  /** User and system time since they started. */
  readonly cpuSeconds: number;
  /** Resident memory now. */
  readonly rssBytes: number;
}

/** Reads `/proc`; undefined where there is none. */
export function readUsage(pid: number): Usage | undefined {
  if (process.platform !== 'linux') return undefined;
  const usages = familyOf(pid).map(readOne);
  return {
    cpuSeconds: usages.reduce((sum, usage) => sum + usage.cpuSeconds, 0),
    rssBytes: usages.reduce((sum, usage) => sum + usage.rssBytes, 0),
  };
}

/** Starts a new reckoning of the most memory a process and its children hold (proc(5), `/proc/pid/clear_refs`). */
export function resetPeak(pid: number): void {
  if (process.platform !== 'linux') return;
  for (const one of familyOf(pid)) {
    try {
      writeFileSync(`/proc/${one}/clear_refs`, '5');
    } catch {
      // A kernel without it goes on reckoning from the start of the process: never too little.
    }
  }
}

/** The most resident memory since `resetPeak`; NaN where there is no `/proc`. */
export function readPeakBytes(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  return familyOf(pid).reduce((sum, one) => sum + readKilobytes(one, 'VmHWM') * 1024, 0);
}

function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return [pid, ...children.map(Number).flatMap(familyOf)];
}

/** Fields of proc(5) `/proc/pid/stat`, counted after the command's name, which may hold spaces. */
function readOne(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssBytes: readKilobytes(pid, 'VmRSS') * 1024,
  };
}

function readKilobytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}
