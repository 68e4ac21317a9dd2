import type { CorsConfig } from './config.ts';
import type { DraftRoute } from './draft.ts';
import { parseDuration } from './duration.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';

/** How long a browser may go by one answer: a change of the file is felt soon, and a page asks once while somebody works with it. */
const DEFAULT_MAX_AGE_MS = 10 * 60_000;

const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;

/** What browsers let no page send, whatever it is answered. https://fetch.spec.whatwg.org/#forbidden-method */
const FORBIDDEN_METHODS = new Set(['CONNECT', 'TRACE', 'TRACK']);

type Draft = Extract<NonNullable<DraftRoute['cors']>, object>;

/** Reads what pages of other origins may do with a route. */
export function readCors(draft: DraftRoute['cors'], path: Path, refuseAt: RefuseAt): CorsConfig {
  if (draft === false) return { kind: 'closed' };
  if (draft === 'upstream') return { kind: 'upstream' };
  const {
    methods,
    headers,
    exposeHeaders,
    credentials = true,
    maxAge,
  }: Draft = typeof draft === 'object' ? draft : {};
  const read = (name: string, list: Draft['methods'], parse: typeof parseMethod) =>
    readList(list, parse, [...path, name], refuseAt);
  return {
    kind: 'proxy',
    methods: read('methods', methods, parseMethod),
    headers: read('headers', headers, parseHeaderName),
    exposeHeaders: read('exposeHeaders', exposeHeaders, parseHeaderName),
    credentials,
    maxAgeMs:
      maxAge === undefined
        ? DEFAULT_MAX_AGE_MS
        : (parseDuration(maxAge, refuseAt([...path, 'maxAge'])) ?? DEFAULT_MAX_AGE_MS),
  };
}

function readList(
  list: Draft['methods'],
  parse: typeof parseMethod,
  path: Path,
  refuseAt: RefuseAt,
): readonly string[] | undefined {
  if (list === undefined) return undefined;
  const found = list.map((text, index) => {
    const refuse = refuseAt([...path, index]);
    if (text !== '*') return text === undefined ? undefined : parse(text, refuse);
    return refuse(
      'There is no "*" in this list.',
      `Leave \`${path.at(-1)}\` out: then it has no limit, with cookies as well.`,
    );
  });
  return [...new Set(found.filter((text) => text !== undefined))];
}

function parseMethod(text: string, refuse: Refuse): string | undefined {
  if (!TOKEN.test(text)) return refuse(`${quote(text)} is not a method.`, 'Methods look like `PUT`.');
  const upper = text.toUpperCase();
  if (FORBIDDEN_METHODS.has(upper)) return refuse(`No page can send the method ${quote(text)}.`);
  // PATCH and patch are two methods, of which nobody means the second.
  if (text !== upper) return refuse(`${quote(text)} is not in capitals.`, `Did you mean \`${upper}\`?`);
  return text;
}

function parseHeaderName(text: string, refuse: Refuse): string | undefined {
  return TOKEN.test(text) ? text.toLowerCase() : refuse(`${quote(text)} is not the name of a header.`);
}
