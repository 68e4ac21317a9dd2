import { type ExecFileException, execFile } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const HERE = dirname(fileURLToPath(import.meta.url));

/** Versions these programs are known to work with. */
const PYTHON_PACKAGES = ['google-auth==2.62.2', 'requests==2.34.2', 'pyjwt==2.15.1'];
const GO_MODULES = ['cloud.google.com/go/auth@v0.18.2', 'google.golang.org/api@v0.265.0'];

/** A program made with another of Google's libraries: one word says how it gets its token. */
export type ForeignProgram = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
) => Promise<string>;

/**
 * Python's google-auth in a virtual environment.
 * @throws Error where there is no Python, or its packages can't be had
 */
export async function preparePython(dir: string): Promise<ForeignProgram> {
  const home = join(dir, 'python');
  await run(process.platform === 'win32' ? 'python' : 'python3', ['-m', 'venv', home]);
  const python = join(
    home,
    ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
  );
  await run(python, ['-m', 'pip', 'install', '--quiet', ...PYTHON_PACKAGES]);
  return toProgram(python, [join(HERE, 'clients.py')]);
}

/**
 * Go's cloud.google.com/go/auth and google.golang.org/api, built into one program.
 * @throws Error where there is no Go, or its modules can't be had
 */
export async function prepareGo(dir: string): Promise<ForeignProgram> {
  if (process.platform !== 'linux') throw new Error('Go reads SSL_CERT_FILE on Linux only.');
  const cwd = join(dir, 'go');
  const program = join(cwd, 'clients');
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-modcacherw' };
  await mkdir(cwd);
  await copyFile(join(HERE, 'clients.go'), join(cwd, 'main.go'));
  for (const args of [
    ['mod', 'init', 'example.com/clients'],
    ['get', ...GO_MODULES],
    ['build', '-mod=mod', '-o', program, '.'],
  ]) {
    await run('go', args, { cwd, env });
  }
  return toProgram(program, []);
}

/** Runs with nothing in its environment but what is given, so that it finds no credentials of this machine's. */
function toProgram(file: string, first: readonly string[]): ForeignProgram {
  const { PATH, SystemRoot } = process.env;
  return async (args, env) => {
    try {
      const { stdout } = await run(file, [...first, ...args], { env: { PATH, SystemRoot, ...env } });
      return stdout.trim();
    } catch (error) {
      const { message, stderr } = error as ExecFileException & { stderr?: string };
      throw new Error(stderr || message);
    }
  };
}
