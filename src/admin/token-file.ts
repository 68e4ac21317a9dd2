import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { ProxyError } from '../errors.ts';

/** The secret of one launch, for whoever may read the file it is in. What is kept of it here is its digest. */
export interface AdminToken {
  /** Whether a text is the token; takes as long for any. */
  isToken(text: string): boolean;
  /** Removes the file, unless another launch has put its own there. Never rejects. */
  remove(): Promise<void>;
}

const TOKEN_BYTES = 32;
/** What such a file holds: what it is replaced with, and all that is ever replaced. */
const CONTENT = /^[\w-]{43}\n$/;
const CONTENT_BYTES = 44;

/**
 * Makes a random token (32 bytes in base64url, a line) and writes it to a file that only this user can read (mode 0600;
 * on Windows the folder's rights count). The file is there whole or not at all. The token that an earlier launch left
 * behind is replaced; anything else of that name, a link above all, is left alone.
 * @throws ProxyError `token_file_unusable`
 */
export async function writeAdminToken(file: string): Promise<AdminToken> {
  await refuseOthers(file);
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const digest = toDigest(token);
  // Within the same folder, under a name that nobody can have put a link at.
  const draft = `${file}.${randomBytes(9).toString('base64url')}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${token}\n`);
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw unusable(file, `can't be written (${toCode(error)})`, {
      hint: 'The folder has to exist, and this user has to be allowed to write to it.',
      cause: error,
    });
  }
  return {
    isToken: (text) => timingSafeEqual(toDigest(text), digest),
    async remove() {
      const found = await lstat(file).catch(() => undefined);
      const left = found === undefined ? undefined : await readToken(file, found);
      if (left !== undefined && timingSafeEqual(toDigest(left), digest)) {
        await rm(file, { force: true }).catch(() => {});
      }
    },
  };
}

/** `rename` replaces a name and follows no link; but what a mistyped name leads to may be somebody's only key. */
async function refuseOthers(file: string): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if (toCode(error) === 'ENOENT') return undefined;
    throw unusable(file, `can't be looked at (${toCode(error)})`, { cause: error });
  });
  if (found === undefined) return;
  const hint = 'Name a file that isn’t there yet, in a folder of this user.';
  if (found.isSymbolicLink()) throw unusable(file, 'is a link', { hint });
  if (!found.isFile()) throw unusable(file, 'is not a file', { hint });
  if (process.getuid !== undefined && found.uid !== process.getuid()) {
    throw unusable(file, 'belongs to another user', { hint });
  }
  if (found.size === 0 || (await readToken(file, found)) !== undefined) return;
  throw unusable(file, 'holds something that is no token of an earlier launch', { hint });
}

/** The token that a file holds; undefined where it holds anything else. */
async function readToken(file: string, found: Stats): Promise<string | undefined> {
  if (!found.isFile() || found.size !== CONTENT_BYTES) return undefined;
  const content = await readFile(file, 'latin1').catch(() => '');
  return CONTENT.test(content) ? content.trimEnd() : undefined;
}

function toDigest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function toCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

function unusable(file: string, reason: string, options: { hint?: string; cause?: unknown }): ProxyError {
  return new ProxyError('token_file_unusable', `The admin port's token file ${file} ${reason}.`, options);
}
