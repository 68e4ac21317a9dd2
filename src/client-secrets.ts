import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SecretSource } from './config/config.ts';
import { ProxyError } from './errors.ts';
import { type ClientSecret, createClientSecret } from './gate/client-secret.ts';

/** Fewer could be tried out. */
const FEWEST_CHARACTERS = 16;
/** More than any client sends in one header. */
const MOST_CHARACTERS = 1_024;
const MAKE_ONE = '`openssl rand -hex 32` makes a good one.';

/** Where a client secret is, for messages: `$PROXY_SECRET`, `the file /run/secrets/proxy`. */
export function describeClientSecret(source: SecretSource): string {
  return source.kind === 'env' ? `$${source.name}` : `the file ${source.path}`;
}

const LAUNCH_BYTES = 32;

/** Random bytes of one listener's launch: cookies made with a secret end with them, or with the secret. */
export function makeLaunch(): Uint8Array {
  return randomBytes(LAUNCH_BYTES);
}

/**
 * Reads a client secret and makes it ready.
 * @throws ProxyError as `readClientSecret`
 */
export async function compileClientSecret(
  source: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
  launch: Uint8Array,
): Promise<ClientSecret> {
  return createClientSecret(await readClientSecret(source, env), launch);
}

/**
 * Reads a client secret, without the white space around it. Its value is in no message.
 * @throws ProxyError `config_invalid` for one that isn't there, is too short to be one, or can't be sent in a header
 */
export async function readClientSecret(
  source: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const text = source.kind === 'env' ? env[source.name] : await readText(source.path);
  const secret = text?.trim();
  const fault = findFault(secret);
  if (secret !== undefined && fault === undefined) return secret;
  throw new ProxyError('config_invalid', `The client secret in ${describeClientSecret(source)} ${fault}.`, {
    hint: MAKE_ONE,
  });
}

function findFault(secret: string | undefined): string | undefined {
  if (secret === undefined) return 'is not there: the environment has no such variable';
  if (secret === '') return 'is empty';
  if (!/^[\x21-\x7e]+$/.test(secret)) {
    return "can't be sent in a header: it has spaces, control characters or letters outside ASCII in it";
  }
  if (secret.length < FEWEST_CHARACTERS) return `is too short: it needs ${FEWEST_CHARACTERS} characters`;
  return secret.length > MOST_CHARACTERS ? `is longer than ${MOST_CHARACTERS} characters` : undefined;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : 'unreadable';
    throw new ProxyError('config_invalid', `The client secret in the file ${path} can't be read (${code}).`, {
      hint: MAKE_ONE,
      cause,
    });
  }
}
