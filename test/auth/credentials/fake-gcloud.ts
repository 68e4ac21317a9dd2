import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** What the stand-in does when its arguments, joined by spaces, hold `when`. The first that fits counts. */
export interface FakeAnswer {
  readonly when: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  /** Never ends, nor does a program it starts; both connect to this port first. */
  readonly hangAt?: number;
}

/** One run of the stand-in. */
export interface FakeRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What there was to read. */
  readonly stdin: string;
}

/** A stand-in for the gcloud command. */
export interface FakeGcloud {
  /** The environment in which it is found, and nothing else is. */
  readonly env: Readonly<Record<string, string>>;
  answer(...answers: readonly FakeAnswer[]): Promise<void>;
  /** Its runs since the last `answer`. */
  runs(): Promise<readonly FakeRun[]>;
}

const SCRIPT = `
import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
const here = (name) => new URL(name, import.meta.url);
const args = process.argv.slice(2);
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'PATH'));
let stdin = '';
try { stdin = readFileSync(0, 'utf8'); } catch {}
appendFileSync(here('runs.jsonl'), JSON.stringify({ args, env, stdin }) + '\\n');
const { answers } = JSON.parse(readFileSync(here('answers.json'), 'utf8'));
const { stdout = '', stderr = '', code = 0, hangAt } = answers.find(({ when }) => args.join(' ').includes(when)) ?? { code: 64 };
if (hangAt === undefined) {
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = code;
} else {
  const program = \`require('node:net').connect(\${hangAt}, '127.0.0.1').on('error', () => {}); setInterval(() => {}, 1000);\`;
  spawn(process.execPath, ['-e', program], { stdio: 'inherit' });
  connect(hangAt, '127.0.0.1').on('error', () => {});
  setInterval(() => {}, 1000);
}
`;

/** Puts a stand-in for gcloud into a folder whose name has what names of folders have on Windows. */
export async function createFakeGcloud(parent: string): Promise<FakeGcloud> {
  const folder = join(parent, 'Cloud SDK (x86)', 'bin');
  const answers = join(folder, 'answers.json');
  const runs = join(folder, 'runs.jsonl');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'gcloud.mjs'), SCRIPT);
  if (process.platform === 'win32') {
    await writeFile(join(folder, 'gcloud.cmd'), `@"${process.execPath}" "%~dp0gcloud.mjs" %*\r\n`);
  } else {
    const program = join(folder, 'gcloud');
    await writeFile(program, `#!/bin/sh\n"${process.execPath}" "${folder}/gcloud.mjs" "$@"\n`);
    await chmod(program, 0o755);
  }
  const { SystemRoot } = process.env;
  return {
    env: {
      PATH: [join(parent, 'nothing-here'), folder].join(delimiter),
      ...(SystemRoot !== undefined && { SystemRoot }),
    },
    async answer(...given) {
      await writeFile(answers, JSON.stringify({ answers: given }));
      await writeFile(runs, '');
    },
    async runs() {
      const lines = (await readFile(runs, 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line): FakeRun => JSON.parse(line));
    },
  };
}
