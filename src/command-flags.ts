/** Flags that more than one command has, or that belong together. What `--help` shows of each fits on a line or two. */

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

/** Of `exec` alone. */
export const EXEC_FLAGS = {
  config: { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration file' },
  env: { type: 'string', requiresArg: true, describe: 'NAME=/ROUTE[/PATH]; may repeat' },
  'ready-timeout': { type: 'string', requiresArg: true, default: '30s', describe: 'longest wait' },
  'check-upstreams': { type: 'boolean', describe: 'each has to answer, too' },
  port: { alias: 'p', type: 'number', requiresArg: true, describe: 'port; any free one if left out' },
  admin: { type: 'string', requiresArg: true, describe: 'HOST:PORT of an admin port' },
  'client-secret': {
    type: 'string',
    requiresArg: true,
    describe: 'env:NAME or file:PATH',
  },
  verbose: { type: 'boolean', describe: 'a line for each request' },
} as const;

/** Of `wait` alone. */
export const WAIT_FLAGS = {
  timeout: { type: 'string', requiresArg: true, default: '30s', describe: 'longest wait' },
  url: { type: 'string', requiresArg: true, describe: 'where the admin port is' },
  config: { alias: 'c', type: 'string', requiresArg: true, describe: 'configuration that says where' },
  admin: { type: 'string', requiresArg: true, describe: 'HOST:PORT of the admin port' },
} as const;

/** A flag that may repeat, as a list. (As an array yargs would take the words behind it as well.) */
export function toList(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat();
}
