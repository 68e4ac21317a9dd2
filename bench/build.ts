import { execFileSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Builds `dist/` unless it is newer than every source file. */
export function buildIfStale(): void {
  const built = join(root, 'dist', 'cli.js');
  const builtMs = existsSync(built) ? statSync(built).mtimeMs : 0;
  const sources = globSync('src/**/*.ts', { cwd: root });
  if (sources.every((file) => statSync(join(root, file)).mtimeMs < builtMs)) return;
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}
