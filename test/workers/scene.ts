import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import type { RunningCli } from '../support/cli.ts';
import { readBody } from '../support/sockets.ts';

/** A line of the log, as JSON. */
export interface LogLine {
  readonly msg: string;
  readonly worker?: number;
  readonly pid?: number;
  readonly requestId?: string;
}

/** What the program has logged so far. */
export function readLog({ output }: RunningCli): readonly LogLine[] {
  return output.stderr
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as LogLine);
}

/** The process of each of two workers that came up last, by its number. The log may come later than the word that all is ready. */
export async function findPids(cli: RunningCli): Promise<ReadonlyMap<number, number>> {
  await seeUp(cli, 2);
  const up = readLog(cli).filter(({ msg }) => /^Worker \d+ is up/.test(msg));
  return new Map(up.map(({ worker = 0, pid = 0 }) => [worker, pid]));
}

/** Waits until the log has so many lines in which a worker has come up. */
export async function seeUp(cli: RunningCli, count: number): Promise<void> {
  const isThere = (): boolean => (cli.output.stderr.match(/is up \(pid/g) ?? []).length >= count;
  while (!isThere()) await once(cli.child.stderr ?? cli.child, 'data');
}

/** Whether a process runs: one that nobody has buried yet doesn't. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Resolves once none of them is there any more: a process closes its files a moment before it is gone. */
export async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
}

export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** Requests one after the other, each on a connection of its own, until `stop`; what became of each. */
export function keepAsking(url: string, path: string) {
  const answers: (Answered | Error)[] = [];
  let isOver = false;
  const asked = Promise.withResolvers<void>();
  const loop = async (): Promise<void> => {
    while (!isOver) {
      answers.push(await askOnce(url, path).catch((error: Error) => error));
      if (answers.length === 5) asked.resolve();
    }
  };
  const all = Promise.all([loop(), loop(), loop(), loop()]);
  return {
    answers,
    /** A few have been answered. */
    begun: asked.promise,
    async stop() {
      isOver = true;
      await all;
      return answers;
    },
  };
}

/** One request on a connection of its own. */
export async function askOnce(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const { hostname, port } = new URL(url);
  const request = httpRequest({
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    path,
    headers,
    agent: false,
  }).end();
  const [response] = await once(request, 'response');
  return { status: response.statusCode, text: String(await readBody(response)) };
}
