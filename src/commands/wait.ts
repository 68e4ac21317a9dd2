import { request } from 'node:http';
import { systemClock } from '../clock.ts';
import { formatAddress } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import { type ConfigFlags, resolveConfig } from '../config/resolve.ts';
import { isProxyError, ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

export interface WaitOptions {
  /** For the admin port's address, where no URL is given. */
  readonly flags: ConfigFlags;
  /** Where the admin port is. */
  readonly url: string | undefined;
  readonly timeoutMs: number;
}

/** What came of asking once: undefined when it is ready. */
type Reason = string | undefined;

const LOOK_MS = 200;
const ASK_TIMEOUT_MS = 2_000;
/** A list of routes; more is not from a proxy. */
const MOST_BYTES = 1_048_576;

/**
 * Waits until a proxy is ready: until `/readyz` on its admin port answers 200, and each route there has its token.
 * @returns the exit code
 * @throws ProxyError `not_ready` when the time is up, with what is missing; `usage` where it isn't known whom to ask; or as
 * `resolveConfig`
 */
export async function runWait(options: WaitOptions, io: Io): Promise<number> {
  const { timeoutMs } = options;
  const url = options.url === undefined ? await findAdmin(options.flags, io) : parseUrl(options.url);
  const { promise: deadline, resolve } = Promise.withResolvers<void>();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    resolve();
  }, timeoutMs);
  let reason: Reason = 'no answer yet';
  try {
    while (!isOver) {
      reason = await Promise.race([ask(url), deadline.then(() => reason)]);
      if (reason === undefined) return 0;
      await Promise.race([systemClock.wait(LOOK_MS), deadline]);
    }
  } finally {
    clearTimeout(timer);
  }
  throw new ProxyError('not_ready', `Not ready after ${timeoutMs / 1_000} s: ${reason}`, {
    hint: 'Is it the right proxy? --url names another admin port; --timeout waits longer.',
  });
}

/** The admin port of the configuration; without one, the usual. */
async function findAdmin(flags: ConfigFlags, { env, cwd }: Io): Promise<URL> {
  const config = await resolveConfig({ flags, positionals: [], env, cwd }).catch((error: unknown) => {
    const isMissing = isProxyError(error) && error.code === 'config_not_found' && flags.config === undefined;
    if (!isMissing || env.GBP_CONFIG) throw error;
    return resolveConfig({ flags, positionals: ['emulator:hello'], env, cwd });
  });
  return toAdminUrl(config);
}

function toAdminUrl({ admin }: Config): URL {
  if (admin === undefined || admin.port === 0) {
    const why = admin === undefined ? 'is turned off' : 'takes any free port';
    throw new ProxyError('usage', `The admin port ${why}, so there is none to ask.`, {
      hint: 'Give it an address, such as --admin 127.0.0.1:9901; or say where it is: --url http://127.0.0.1:PORT.',
    });
  }
  return new URL(`http://${formatAddress(admin)}/readyz`);
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== 'http:') {
    throw new ProxyError(
      'usage',
      `--url ${JSON.stringify(text)} is not the http: address of an admin port.`,
      {
        hint: 'Write --url http://127.0.0.1:9901.',
      },
    );
  }
  if (url.pathname === '/') url.pathname = '/readyz';
  return url;
}

function ask(url: URL): Promise<Reason> {
  return new Promise((resolve) => {
    const asking = request(url, { agent: false, timeout: ASK_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
        if (text.length > MOST_BYTES) asking.destroy();
      });
      response.on('end', () => resolve(describe(text, response.statusCode)));
      response.on('error', () => resolve(`${url.host} broke off.`));
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.on('error', (error: NodeJS.ErrnoException) => {
      resolve(`nobody answers at ${url.host} (${error.code ?? error.message}).`);
    });
    asking.end();
  });
}

/** What `/readyz` lists that is missing, each route on a line of its own. */
function describe(text: string, status: number | undefined): Reason {
  const other = `${status} from what is not the admin port of this program.`;
  const body = parseJson(text);
  if (!isRecord(body) || !Array.isArray(body.routes)) return other;
  if (body.draining === true) return 'it is stopping.';
  const missing = body.routes.filter(isRecord).filter(({ ready }) => ready !== true);
  const lines = missing.map(({ name, reason }) => `\n  ${toPlain(name)}: ${toPlain(reason)}`);
  if (lines.length > 0) return lines.join('');
  if (status === 200) return undefined;
  return typeof body.reason === 'string' ? toPlain(body.reason) : other;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Somebody else may answer there: nothing of it may steer a terminal. */
function toPlain(value: unknown): string {
  return String(value).replace(/\p{Cc}/gu, ' ');
}
