import assert from 'node:assert/strict';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { assertNoToken } from '../support/canary.ts';

/** Fields of credential files whose values are secrets. */
const SECRET_FIELDS = new Set(['client_secret', 'private_key', 'refresh_token', 'token']);

/** Everything secret that an emulated Google has given out up to now: tokens, and what is in credential files. */
export function listSecrets({ mints, credentials }: Emulator): readonly string[] {
  return [...mints.map(({ value }) => value), ...collectSecrets(credentials)];
}

function collectSecrets(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === 'string' && SECRET_FIELDS.has(name) ? [inner] : collectSecrets(inner),
  );
}

/** R23: fails when a text that leaves the program holds one of the secrets, plain, as JSON, or in Base64. */
export function assertNoSecret(where: string, text: string, secrets: readonly string[]): void {
  assertNoToken(where, text, secrets);
  for (const form of secrets.flatMap(toForms)) assert.ok(!text.includes(form), `a secret is in ${where}`);
}

/** What a secret looks like where it was put into something else. */
export function toForms(secret: string): readonly string[] {
  // A line of a key is as good as the key, which is rarely written in one piece.
  const lines = secret.split('\n').filter((line) => line.length >= 8 && !line.startsWith('-----'));
  return lines.flatMap((line) => [line, ...[0, 1, 2].flatMap((offset) => toBase64(line, offset))]);
}

/** The part of the Base64 of anything with this text in it, at some offset, that the text alone decides. */
function toBase64(text: string, offset: number): readonly string[] {
  const whole = Buffer.from(' '.repeat(offset) + text).toString('base64');
  const part = whole.slice(offset === 0 ? 0 : 4, -4);
  return [part, part.replaceAll('+', '-').replaceAll('/', '_')];
}
