import type { HeaderEdits } from './config.ts';
import type { DraftRoute } from './draft.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What frames messages, names the upstream or carries the token. `-` also stands for `_`, which many servers read alike. */
const OWN_HEADERS = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-serverless-authorization',
]);

/** Reads which headers a route sets and removes; names end up in lower case. */
export function readHeaderEdits(draft: DraftRoute['headers'], path: Path, refuseAt: RefuseAt): HeaderEdits {
  const set = new Map<string, string>();
  for (const [key, value] of Object.entries(draft?.set ?? {})) {
    const refuseName = refuseAt([...path, 'set', key], 'key');
    const name = parseHeaderName(key, refuseName);
    if (name === undefined || value === undefined) continue;
    if (set.has(name))
      refuseName(`The header ${quote(key)} is set twice: upper and lower case are the same.`);
    if (isHeaderValue(value, refuseAt([...path, 'set', key]))) set.set(name, value);
  }
  const remove = new Set<string>();
  for (const [index, text] of (draft?.remove ?? []).entries()) {
    if (text === undefined) continue;
    const refuse = refuseAt([...path, 'remove', index]);
    const name = parseHeaderName(text, refuse);
    if (name === undefined) continue;
    if (set.has(name))
      refuse(`The header ${quote(text)} is both set and removed.`, 'Setting replaces it already.');
    remove.add(name);
  }
  return { set: Object.fromEntries(set), remove: [...remove] };
}

function parseHeaderName(text: string, refuse: Refuse): string | undefined {
  if (!FIELD_NAME.test(text)) return refuse(`${quote(text)} is not the name of a header.`);
  const name = text.toLowerCase();
  const plain = name.replaceAll('_', '-');
  if (OWN_HEADERS.has(plain) || plain.startsWith('proxy-')) {
    const isToken = plain.endsWith('authorization');
    return refuse(
      `The header ${quote(text)} belongs to the proxy.`,
      isToken ? 'Say who calls with `credentials`, and which header is used with `header`.' : undefined,
    );
  }
  return name;
}

function isHeaderValue(value: string, refuse: Refuse): boolean {
  if (FIELD_VALUE.test(value) && value.trim() === value) return true;
  refuse(
    "This value can't be sent in a header.",
    "It can't have line breaks, control characters, characters outside ISO 8859-1, or spaces at either end.",
  );
  return false;
}
