import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { createProxy, type ProxyOptions, type RunningProxy } from '../../src/proxy.ts';
import { createFolder } from './stack.ts';

/** A proxy whose configuration is written anew while it runs. */
export interface ReloadScene {
  readonly proxy: RunningProxy;
  /** An address of it. */
  readonly url: string;
  readonly folder: string;
  /** Writes the file and reads it as the program would. */
  configure(yaml: string): Promise<Config>;
  /** The same, and puts it in force. */
  reload(yaml: string): Promise<readonly string[]>;
}

/** Starts one on a free port; it is stopped after the test. */
export async function setReloadScene(
  t: TestContext,
  yaml: string,
  options: Omit<ProxyOptions, 'config'> & { readonly files?: Readonly<Record<string, string>> } = {},
): Promise<ReloadScene> {
  const { files = {}, env = {}, ...rest } = options;
  const folder = await createFolder(t);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const configure = async (text: string): Promise<Config> => {
    await writeFile(join(folder, 'proxy.yaml'), text);
    const flags = { admin: text.includes('admin:') ? undefined : 'off' };
    return resolveConfig({
      flags: flags.admin === undefined ? {} : { admin: flags.admin },
      positionals: [],
      env,
      cwd: folder,
    });
  };
  const listening = (text: string): string =>
    text.includes('listen:') ? text : `listen: 127.0.0.1:0\n${text}`;
  const proxy = await createProxy({ ...rest, env, config: await configure(listening(yaml)) });
  t.after(() => proxy.close(0));
  return {
    proxy,
    url: proxy.addresses[0] ?? '',
    folder,
    configure: (text) => configure(listening(text)),
    reload: (text) => proxy.reload(configure(listening(text))),
  };
}
