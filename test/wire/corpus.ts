import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { SMUGGLED } from './attack.ts';
import type { WireInput } from './stage.ts';

/**
 * Where corpora of others lie: `CORPORA`, or beside the repository. Each folder holds `*.yaml` files with a list of requests: `method`, `uri`,
 * `version`, and `headers` with `name` and `value`. They are read where they are, and not part of this project.
 */
const FOLDER =
  process.env.CORPORA ?? join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'shared', 'corpora');

/** What a file says, if it says what it should. */
type Loose = Readonly<Record<string, unknown>>;

/** The corpora's requests as inputs, or undefined where there are none. */
export function readCorpora(): WireInput[] | undefined {
  if (!existsSync(FOLDER)) return undefined;
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.yaml'),
  );
  const inputs = files.flatMap((file) => {
    const cases: unknown = parse(readFileSync(join(FOLDER, file), 'utf8'));
    if (!Array.isArray(cases)) return [];
    return cases.filter(isLoose).flatMap((one, i) => toInputs(`${file} ${i}`, one));
  });
  return inputs.length === 0 ? undefined : inputs;
}

/** Said wherever the corpora are missing. */
export const NO_CORPORA =
  '*** NOT TRIED: there is no corpus of others here ($CORPORA, or ../shared/corpora).';

function isLoose(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null;
}

function toText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** A request of a corpus has a head only. It gets a Host if it has none, and each body that its length or its chunks could mean. */
function toInputs(name: string, one: Loose): WireInput[] {
  const fields = (Array.isArray(one.headers) ? one.headers : []).filter(isLoose);
  const lines = fields.map((field) => `${toText(field.name)}: ${toText(field.value)}\r\n`);
  const hasHost = fields.some((field) => /^host$/i.test(toText(field.name)));
  const version = toText(one.version);
  const requestLine = `${toText(one.method)} ${toText(one.uri)}${version === '' ? '' : ` ${version}`}\r\n`;
  const head = `${requestLine}${hasHost ? '' : 'Host: localhost\r\n'}${lines.join('')}\r\n`;
  const bodies = [
    '',
    `0\r\n\r\n${SMUGGLED}`,
    `5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
    `${'x'.repeat(100)}${SMUGGLED}`,
  ];
  const length = fields.map((field) => toText(field.value)).find((value) => /^[1-9][0-9]{0,4}$/.test(value));
  if (length !== undefined) bodies.push('x'.repeat(Number(length)));
  return bodies.map((body, i) => ({ name: `${name} body ${i}`, segments: [toBytes(head) + body] }));
}

/** A character beyond a byte as the bytes of its UTF-8. */
function toBytes(text: string): string {
  return /[^\0-\xff]/.test(text) ? Buffer.from(text).toString('latin1') : text;
}
