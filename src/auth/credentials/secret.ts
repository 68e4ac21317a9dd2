import { readFile } from 'node:fs/promises';
import type { SecretSource } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import type { KindContext } from './kind.ts';

/** What a secret is, for messages. */
export type SecretSort = 'key' | 'token';

/** Where a secret is, for messages: `key file /x`, `key in $GCP_KEY`. */
export function describeSecret(source: SecretSource, sort: SecretSort): string {
  return source.kind === 'file' ? `${sort} file ${source.path}` : `${sort} in $${source.name}`;
}

/** The files to watch for another secret. */
export function listSecretFiles(source: SecretSource): readonly string[] {
  return source.kind === 'file' ? [source.path] : [];
}

/**
 * Reads a secret where it is now. Without the white space around it; never empty.
 * @throws ProxyError `credentials_invalid`, which names the place
 */
export async function readSecret(
  source: SecretSource,
  sort: SecretSort,
  env: KindContext['env'],
): Promise<string> {
  const text =
    source.kind === 'file' ? await readText(source.path, sort) : readVariable(source.name, sort, env);
  const secret = text.trim();
  if (secret !== '') return secret;
  throw new ProxyError('credentials_invalid', `The ${describeSecret(source, sort)} is empty.`, {
    hint:
      source.kind === 'file'
        ? `Write the ${sort} into ${source.path}; it is read again when it changes.`
        : `Set $${source.name} to the ${sort}, and start again.`,
  });
}

function readVariable(name: string, sort: SecretSort, env: KindContext['env']): string {
  const text = env[name];
  if (text !== undefined) return text;
  throw new ProxyError(
    'credentials_invalid',
    `There is no ${sort} in $${name}: the environment has no such variable.`,
    { hint: `Set $${name} to the ${sort}, and start again.` },
  );
}

async function readText(path: string, sort: SecretSort): Promise<string> {
  try {
    return decodeText(await readFile(path));
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new ProxyError(
      'credentials_invalid',
      `The ${sort} file ${path} ${missing ? 'does not exist' : 'cannot be read'}.`,
      {
        hint: missing
          ? `Write the ${sort} into ${path}, or name another file in this credential.`
          : `Let this user read ${path}.`,
        cause,
      },
    );
  }
}

/** `command > file` in Windows PowerShell writes UTF-16. */
function decodeText(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8').decode(bytes);
}
