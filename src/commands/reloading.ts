import { resolve } from 'node:path';
import { FileWatch, readFingerprint } from '../auth/file-watch.ts';
import type { CancelTimer, Clock } from '../clock.ts';
import type { Config, ConfigWarning, ListenerConfig } from '../config/config.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import type { RunningProxy } from '../proxy.ts';

export interface ReloadingOptions {
  readonly proxy: Pick<RunningProxy, 'reload' | 'warnings'>;
  /** In force at the start. */
  readonly config: Config;
  /** Reads all of it again. */
  readonly readConfig: () => Promise<Config>;
  /** The configuration file's full name; undefined where there is none. */
  readonly file: string | undefined;
  /** Whether to look for changes of files. */
  readonly isWatching: boolean;
  readonly log: Log;
  readonly clock: Clock;
}

/** What reads a running proxy's configuration again (R66). */
export interface Reloading {
  /**
   * Reads the configuration and puts it in force; either way the log says so.
   * @param why for the log: what asked for it
   * @returns what changed
   * @throws ProxyError as `resolveConfig` and `RunningProxy.reload`; then the one before stays
   */
  reload(why: string): Promise<readonly string[]>;
  /** Reads nothing from now on. */
  close(): void;
}

/** After a change files are left alone for so long, as often as it takes: whoever writes one may be in the middle of it. */
const QUIET_MS = 500;

export function createReloading(options: ReloadingOptions): Reloading {
  const { proxy, readConfig, file, isWatching, log, clock } = options;
  let { config } = options;
  let isClosed = false;
  let cancelLook: CancelTimer | undefined;

  const replace = async (): Promise<readonly string[]> => {
    if (isClosed) throw new ProxyError('shutting_down', 'The proxy is stopping.');
    const next = readConfig();
    const changes = await proxy.reload(next);
    config = await next;
    return changes;
  };
  const reload = async (why: string, saysNothingNew = true): Promise<readonly string[]> => {
    const known = proxy.warnings;
    try {
      const changes = await replace();
      const isNews = changes.length > 0 || saysNothingNew;
      if (isNews) log.info(`Reloaded (${why}): ${changes.join('; ') || 'nothing has changed'}.`);
      warnOfNew(known, proxy.warnings, log);
      return changes;
    } catch (error) {
      const { code, message, hint } = isProxyError(error) ? error : toUnexpected(error);
      log.error(`Not reloaded (${why}), the configuration before stays in force. ${message}`, {
        error: code,
        hint,
      });
      throw error;
    }
  };

  let isQuiet = false;
  const watch = new FileWatch({
    files: () => listFiles(file, config),
    fingerprint: readFingerprint,
    clock,
    onChange: () => {
      isQuiet = false;
      lookLater();
    },
    onSettled: () => {},
  });
  const lookLater = (): void => {
    cancelLook?.();
    cancelLook = clock.schedule(QUIET_MS, async () => {
      isQuiet = true;
      await watch.look();
      if (isQuiet && !isClosed) reload('a file has changed', false).catch(() => {});
    });
  };
  if (isWatching) watch.start();

  return {
    reload,
    close() {
      isClosed = true;
      cancelLook?.();
      watch.close();
    },
  };
}

function warnOfNew(known: readonly ConfigWarning[], warnings: readonly ConfigWarning[], log: Log): void {
  const said = new Set(known.map(({ route, message }) => JSON.stringify([route, message])));
  for (const { route, message, hint } of warnings) {
    if (!said.has(JSON.stringify([route, message]))) log.warn(message, { route, hint });
  }
}

function toUnexpected(cause: unknown): ProxyError {
  const text = cause instanceof Error ? cause.message : 'not an Error';
  return new ProxyError('internal', `Unexpected failure: ${text}`, { cause });
}

/** Everything that is read to make a site, but for what credentials read: that is watched where it is used. */
function listFiles(file: string | undefined, { listen, caFile }: Config): readonly string[] {
  const files = [file, caFile, ...listen.flatMap(listListenerFiles)];
  return files.filter((name) => name !== undefined);
}

function listListenerFiles({ tls, clientSecret }: ListenerConfig): readonly (string | undefined)[] {
  const secretFile = clientSecret?.kind === 'file' ? clientSecret.path : undefined;
  return [tls?.certFile, tls?.keyFile, tls?.clientCaFile, secretFile];
}

/** The configuration file's full name; undefined where the routes were given on the command line. */
export function findConfigFile(
  config: Config,
  positionals: readonly string[],
  cwd: string,
): string | undefined {
  return positionals.length > 0 ? undefined : resolve(cwd, config.source);
}
