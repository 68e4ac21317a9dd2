import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { toChildEnvironment } from './child-environment.ts';
import type { KindContext } from './kind.ts';

/** One run of gcloud never takes longer. A slow disk and a cold Python take 5 s, Google's answer some more. */
export const COMMAND_TIMEOUT_MS = 12_000;

/** Much more than any answer. */
const MAX_OUTPUT_BYTES = 1_048_576;

const IS_WINDOWS = process.platform === 'win32';

/** How a run of gcloud ended. */
export type GcloudRun =
  | { readonly outcome: 'done'; readonly stdout: string }
  /** It said no. */
  | { readonly outcome: 'failed'; readonly stderr: string }
  /** It was killed after its time. */
  | { readonly outcome: 'hung' }
  /** There is no such program. */
  | { readonly outcome: 'absent' }
  /** It isn't run with an argument that no program can be given, or that cmd.exe on Windows could take for a command. */
  | { readonly outcome: 'unsafe' };

/** What gcloud is told besides its arguments. */
const SETTINGS: Readonly<Record<string, string>> = {
  CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
  CLOUDSDK_CORE_USER_OUTPUT_ENABLED: '1',
  // Its logs hold what it prints.
  CLOUDSDK_CORE_DISABLE_FILE_LOGGING: '1',
  // That would be a program of its own, which goes on.
  CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: '1',
  // It holds for access tokens only: ID tokens would be somebody else's.
  CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT: '',
};

/**
 * Runs gcloud, found in the `PATH` of the context's environment, and nothing it could ask anybody. Never rejects; when
 * its time is up it is killed with all it started.
 */
export async function runGcloud(
  args: readonly string[],
  context: Pick<KindContext, 'env' | 'secretVariables' | 'clock'>,
): Promise<GcloudRun> {
  const { env, clock } = context;
  const program = await findGcloud(env);
  if (program === undefined) return { outcome: 'absent' };
  if (!args.every(isPlain)) return { outcome: 'unsafe' };
  const { file, line } = IS_WINDOWS ? toCmdLine(program, args, env) : { file: program, line: args };
  return new Promise((resolve) => {
    const child = spawn(file, line, {
      env: { ...toChildEnvironment(context), ...SETTINGS },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, to be killed as a whole.
      detached: !IS_WINDOWS,
      windowsHide: true,
      windowsVerbatimArguments: IS_WINDOWS,
    });
    let settled = false;
    const settle = (run: GcloudRun): void => {
      if (settled) return;
      settled = true;
      cancel();
      resolve(run);
    };
    const giveUp = (run: GcloudRun): void => {
      settle(run);
      killTree(child.pid, env);
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const cancel = clock.schedule(COMMAND_TIMEOUT_MS, () => giveUp({ outcome: 'hung' }));
    const tooMuch = (): void => giveUp({ outcome: 'failed', stderr: 'ERROR: wrote more than a token' });
    const stdout = collect(child.stdout, tooMuch);
    const stderr = collect(child.stderr, tooMuch);
    child.on('error', ({ code }: NodeJS.ErrnoException) =>
      settle({ outcome: 'failed', stderr: `ERROR: can't be started (${code})` }),
    );
    child.on('close', (code) =>
      settle(code === 0 ? { outcome: 'done', stdout: stdout() } : { outcome: 'failed', stderr: stderr() }),
    );
  });
}

/** Reads all there is, and says when that is too much. */
function collect(stream: NodeJS.ReadableStream, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) tooMuch();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** The full name of gcloud. Never looks in the current folder, whose programs could be anybody's. */
async function findGcloud(env: KindContext['env']): Promise<string | undefined> {
  // Windows doesn't mind how the variable is written.
  const name = Object.keys(env).find((key) => (IS_WINDOWS ? key.toUpperCase() : key) === 'PATH') ?? 'PATH';
  for (const folder of (env[name] ?? '').split(delimiter)) {
    const program = join(folder, IS_WINDOWS ? 'gcloud.cmd' : 'gcloud');
    // cmd.exe would fill in a variable.
    if (IS_WINDOWS && /[%"]/.test(program)) continue;
    if (isAbsolute(folder) && (await isProgram(program))) return program;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** Whether an argument arrives as it is. On Windows that means: nothing that cmd.exe, and a script it runs, read otherwise. */
function isPlain(arg: string): boolean {
  return IS_WINDOWS ? /^[\w.~:/@+=,-]+$/.test(arg) : !arg.includes('\0');
}

/** A script is run by cmd.exe only. With `/s` it takes away the outer quotes and nothing else. */
function toCmdLine(
  program: string,
  args: readonly string[],
  env: KindContext['env'],
): { file: string; line: readonly string[] } {
  const file = join(env.SystemRoot || 'C:\\Windows', 'System32', 'cmd.exe');
  return { file, line: ['/d', '/v:off', '/s', '/c', `""${program}" ${args.join(' ')}"`] };
}

function killTree(pid: number | undefined, env: KindContext['env']): void {
  if (pid === undefined) return;
  if (IS_WINDOWS) {
    const taskkill = join(env.SystemRoot || 'C:\\Windows', 'System32', 'taskkill.exe');
    spawn(taskkill, ['/pid', String(pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true }).on(
      'error',
      () => {},
    );
    return;
  }
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in the same moment.
  }
}
