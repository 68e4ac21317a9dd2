import type { Io } from '../commands/io.ts';
import { parseDuration } from '../config/duration.ts';
import type { ConfigFlags } from '../config/resolve.ts';
import { ProxyError } from '../errors.ts';

/** Flags that more than one command has, and what they become. What `--help` shows of each fits on a line or two. Those of one command alone are in its file in `verbs/`. */

/** Of every command that reads a configuration. */
export const DOTENV_FLAG = {
  dotenv: { type: 'string', requiresArg: true, describe: 'file of NAME=value lines to load' },
} as const;

/** Of what answers in place of real services. */
export const STAND_IN_FLAGS = {
  emulate: { type: 'boolean', describe: 'nothing real is called' },
  local: {
    type: 'string',
    requiresArg: true,
    describe: '/ROUTE=http://localhost:3001',
  },
} as const;

/** Of every command that connects to upstreams or to Google. */
export const CA_FILE = {
  type: 'string',
  requiresArg: true,
  describe: 'PEM file, to trust as well',
} as const;

/** Of every command that reads a configuration and can be told by flags what isn't in it. */
export const CONFIG_FLAGS = {
  ...DOTENV_FLAG,
  config: { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration file' },
  listen: {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'HOST:PORT or unix:FILE; may repeat',
  },
  port: {
    alias: 'p',
    type: 'number',
    requiresArg: true,
    describe: 'port; 0 for any free one',
  },
  admin: { type: 'string', requiresArg: true, describe: 'HOST:PORT of admin port, or off' },
  'admin-token-file': {
    type: 'string',
    requiresArg: true,
    describe: 'token for POST /quit, /reload',
  },
  'ca-file': CA_FILE,
  'log-format': {
    type: 'string',
    requiresArg: true,
    describe: 'json, pretty, or google',
  },
  'log-level': { type: 'string', requiresArg: true, describe: 'info, warn or error' },
  'client-secret': {
    type: 'string',
    requiresArg: true,
    describe: 'env:NAME or file:PATH',
  },
  'allow-unauthenticated-clients': {
    type: 'boolean',
    describe: 'open beyond this machine',
  },
} as const;

/** A flag that may repeat, as a list. (As an array yargs would take the words behind it as well.) */
export function toList(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat();
}

/** The flags of what answers in place of real services, as the commands take them. */
export function toStandIns({
  emulate = false,
  local,
}: {
  readonly emulate?: boolean | undefined;
  readonly local?: string | undefined;
}) {
  return { emulate, local: toList(local) };
}

/**
 * The process with the variables of the files that `--dotenv` names.
 * @throws ProxyError
 */
export async function withDotenv({ dotenv }: { readonly dotenv: string | undefined }, io: Io): Promise<Io> {
  if (dotenv === undefined) return io;
  const { loadDotenv } = await import('../commands/dotenv.ts');
  return loadDotenv(toList(dotenv), io);
}

/**
 * A time to wait, in milliseconds.
 * @throws ProxyError
 */
export function readDuration(flag: string, text: string): number {
  const durationMs = parseDuration(text, (message, hint) => {
    throw new ProxyError('usage', `${flag}: ${message}`, { hint });
  });
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new ProxyError('usage', `${flag} is a time to wait, such as 30s or 2m.`);
}

/** Each command has some of them. */
interface ParsedFlags {
  readonly config?: string | undefined;
  readonly listen?: string[] | undefined;
  readonly port?: number | undefined;
  readonly admin?: string | undefined;
  readonly adminTokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly logFormat?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly allowUnauthenticatedClients?: boolean | undefined;
}

/**
 * What the flags say of the configuration.
 * @throws ProxyError
 */
export function toConfigFlags({
  config,
  listen,
  port,
  admin,
  adminTokenFile,
  caFile,
  logFormat,
  logLevel,
  clientSecret,
  allowUnauthenticatedClients,
}: ParsedFlags): ConfigFlags {
  const checkedPort = checkPort(port);
  return {
    ...(config !== undefined && { config }),
    ...(listen !== undefined && { listen }),
    ...(checkedPort !== undefined && { port: checkedPort }),
    ...(admin !== undefined && { admin }),
    ...(adminTokenFile !== undefined && { adminTokenFile }),
    ...(caFile !== undefined && { caFile }),
    ...(logFormat !== undefined && { logFormat }),
    ...(logLevel !== undefined && { logLevel }),
    ...(clientSecret !== undefined && { clientSecret }),
    ...(allowUnauthenticatedClients !== undefined && { allowUnauthenticatedClients }),
  };
}

/**
 * A port that may be listened on.
 * @throws ProxyError
 */
export function checkPort(port: number | undefined): number | undefined {
  if (port === undefined || (Number.isInteger(port) && port >= 0 && port <= 65_535)) return port;
  throw new ProxyError('usage', '--port takes a whole number from 0 to 65535.', {
    hint: '--port 0 takes any free port.',
  });
}

/** The positional of commands that look at routes: some of the configuration's, or others. */
export const ROUTES = {
  type: 'string',
  array: true,
  describe: 'names of configured routes, or routes to make',
} as const;
