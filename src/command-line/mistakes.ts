import { nearest } from '../config/nearest.ts';
import { ProxyError } from '../errors.ts';

/** The commands' names, to guess which was meant; a new command is one line here. */
export const COMMANDS = [
  'start',
  'exec',
  'wait',
  'check',
  'token',
  'link',
  'init',
  'export',
  'emulate',
  'schema',
  'completion',
] as const;

/** The flags of all commands, to guess which was meant; a new flag is one line here. */
export const FLAGS = [
  'config',
  'listen',
  'port',
  'admin',
  'admin-token-file',
  'ca-file',
  'log-format',
  'log-level',
  'client-secret',
  'allow-unauthenticated-clients',
  'dotenv',
  'emulate',
  'local',
  'env',
  'ready-timeout',
  'check-upstreams',
  'verbose',
  'timeout',
  'url',
  'json-ready',
  'port-file',
  'quiet',
  'no-watch',
  'workers',
  'drain-timeout',
  'drain-delay',
  'max-lifetime',
  'exit-zero-on-sigterm',
  'json',
  'offline',
  'access',
  'scopes',
  'credentials',
  'claims',
  'header',
  'dir',
  'output',
  'project',
  'region',
  'force',
  'strict',
  'metadata-address',
  'ca-bundle',
  'help',
  'version',
] as const;

/**
 * A bare word where a route was expected was meant to be a command.
 * @throws ProxyError
 */
export function refuseMistypedCommand(routes: readonly string[]): void {
  const word = routes.find((route) => /^[\w-]+$/.test(route));
  if (word === undefined) return;
  const guess = nearest(word, COMMANDS);
  throw new ProxyError('usage', `"${word}" is neither a command nor a route.`, {
    hint:
      guess === undefined
        ? `Commands: ${COMMANDS.join(', ')}. Routes: https://SERVICE or /path=https://SERVICE.`
        : `Did you mean "gcp-bearer-proxy ${guess}"?`,
  });
}

/**
 * What yargs found wrong, in our words.
 * @param args our own part of the command line
 */
export function toUsageError(message: string, args: readonly string[]): ProxyError {
  const unknown = /^Unknown arguments?: (\S+?)(?:,|$)/.exec(message)?.[1];
  if (unknown === undefined)
    return new ProxyError('usage', message, { hint: 'gcp-bearer-proxy --help shows how.' });
  const typed = args.find((arg) => arg.replace(/^-+/, '').split('=', 1)[0] === unknown) ?? `--${unknown}`;
  if (unknown === 'env-file') {
    return new ProxyError(
      'usage',
      'There is no flag --env-file: Node takes that one itself, wherever it stands.',
      {
        hint: 'Write --dotenv FILE.',
      },
    );
  }
  const guess = nearest(unknown, FLAGS);
  return new ProxyError('usage', `There is no flag ${typed.split('=', 1)[0]}.`, {
    hint: guess === undefined ? 'gcp-bearer-proxy --help lists them.' : `Did you mean --${guess}?`,
  });
}
