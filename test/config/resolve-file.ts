import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { type ConfigInput, resolveConfig } from '../../src/config/resolve.ts';

/** An empty folder that goes away with the test. */
export function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gcp-bearer-proxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with a file in it, and nothing else. */
export function writeConfig(t: TestContext, content: string | Uint8Array, name = 'proxy.yaml'): string {
  const folder = createFolder(t);
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
  return folder;
}

/** Resolves a configuration whose `proxy.yaml` has a given content. */
export async function resolveFile(
  t: TestContext,
  content: string | Uint8Array,
  overrides: Partial<ConfigInput> = {},
): Promise<Config> {
  const cwd = writeConfig(t, content);
  return await resolveConfig({ flags: {}, positionals: [], env: {}, cwd, ...overrides });
}
