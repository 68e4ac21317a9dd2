import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { type ConfigInput, resolveConfig } from '../../src/config/resolve.ts';

/** An empty folder that goes away with the test. */
export function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gcp-bearer-proxy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Resolves a configuration whose `proxy.yaml` has a given content. */
export async function resolveFile(
  t: TestContext,
  content: string | Uint8Array,
  overrides: Partial<ConfigInput> = {},
): Promise<Config> {
  const cwd = createFolder(t);
  writeFileSync(join(cwd, 'proxy.yaml'), content);
  return await resolveConfig({ flags: {}, positionals: [], env: {}, cwd, ...overrides });
}
