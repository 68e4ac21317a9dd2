import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Refuse } from './issues.ts';

/** No configuration is larger; what is, is something else. */
const LARGEST_BYTES = 1_048_576;

/**
 * Reads a file's text, UTF-8 with or without a byte order mark; also from a pipe.
 * @param file its full name
 * @returns undefined when it was refused
 */
export async function readFileText(file: string, refuse: Refuse): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    if ((await stat(file)).isDirectory())
      return refuse('This is a folder, not a file.', 'Name the file in it.');
    // One byte more than is allowed tells a file that is too large.
    bytes = await buffer(createReadStream(file, { end: LARGEST_BYTES }));
  } catch (error) {
    return refuse(`The file can't be read: ${toReason(error)}.`);
  }
  if (bytes.length > LARGEST_BYTES) {
    return refuse('The file is larger than 1 MiB, so it is not a configuration.');
  }
  if (isUtf16(bytes)) {
    return refuse(
      'The file is in UTF-16.',
      'Save it as UTF-8 (in PowerShell: `Set-Content -Encoding utf8`).',
    );
  }
  const text = decode(bytes);
  return text === undefined || text.includes('\0') ? refuse('The file is not a text in UTF-8.') : text;
}

/** By its byte order mark, or by a first character that is ASCII and has a zero beside it. */
function isUtf16(bytes: Buffer): boolean {
  return /^(?:\xff\xfe|\xfe\xff|[\t\n\r\x20-\x7e]\0|\0[\t\n\r\x20-\x7e])/.test(
    bytes.toString('latin1', 0, 2),
  );
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function toReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return typeof code === 'string' ? code : 'for an unknown reason';
}
