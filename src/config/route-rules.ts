import { METHODS } from 'node:http';
import type { RouteConfig, RouteLimitsConfig } from './config.ts';
import type { DraftRoute } from './draft.ts';
import { type Path, quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';
import { parsePathPattern } from './path-pattern.ts';
import { parseRate } from './rate.ts';
import { parseSize } from './size.ts';

/** What a route lets through. */
type Rules = Pick<RouteConfig, 'methods' | 'readOnly' | 'paths' | 'limits'>;

/** Requests that change nothing at a service that keeps to RFC 9110, section 9.2.1. */
const READING_METHODS = ['GET', 'HEAD', 'OPTIONS'];
/** Never relayed, whatever a route says. */
const REFUSED_METHODS = ['CONNECT', 'TRACE'];
const USUAL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** What HTTP/1.1 is read with knows these; any other is refused before a route sees it. */
const RELAYED_METHODS = new Set(METHODS.filter((method) => !REFUSED_METHODS.includes(method)));

/** Reads which methods, paths, sizes and rates a route takes. */
export function readRules(draft: DraftRoute, path: Path, refuseAt: RefuseAt): Rules {
  const readOnly = draft.readOnly ?? false;
  const methods = readList(draft.methods, (text, index) =>
    parseMethod(text, readOnly, refuseAt([...path, 'methods', index])),
  );
  const paths = readList(draft.paths, (text, index) =>
    parsePathPattern(text, refuseAt([...path, 'paths', index])),
  );
  return {
    methods: methods ?? (readOnly ? READING_METHODS : undefined),
    readOnly,
    paths,
    limits: readLimits(draft.limits, [...path, 'limits'], refuseAt),
  };
}

/** The items that could be read, each once; undefined where there is no list. */
function readList(
  items: readonly (string | undefined)[] | undefined,
  read: (text: string, index: number) => string | undefined,
): readonly string[] | undefined {
  if (items === undefined) return undefined;
  const values = items.map((text, index) => (text === undefined ? undefined : read(text, index)));
  return [...new Set(values.filter((value) => value !== undefined))];
}

function parseMethod(text: string, readOnly: boolean, refuse: Refuse): string | undefined {
  if (!RELAYED_METHODS.has(text)) return refuseMethod(text, refuse);
  if (!readOnly || READING_METHODS.includes(text)) return text;
  return refuse(
    `The route is \`readOnly\`, which leaves out ${text}.`,
    `Take one of the two out: \`readOnly\` is ${READING_METHODS.join(', ')}.`,
  );
}

function refuseMethod(text: string, refuse: Refuse): undefined {
  const upper = text.toUpperCase();
  if (RELAYED_METHODS.has(upper)) {
    return refuse(
      `The method ${quote(text)} has to be in capitals: methods are told apart by case.`,
      `Write \`${upper}\`.`,
    );
  }
  if (REFUSED_METHODS.includes(upper)) return refuse(`${upper} is relayed by no route.`, 'Leave it out.');
  const meant = nearest(text, USUAL_METHODS);
  const known = `There are ${USUAL_METHODS.join(', ')}, and those of WebDAV.`;
  return refuse(
    `${quote(text)} is not a method.`,
    meant === undefined ? known : `Did you mean \`${meant}\`? ${known}`,
  );
}

function readLimits(draft: DraftRoute['limits'], path: Path, refuseAt: RefuseAt): RouteLimitsConfig {
  const { body, rate } = draft ?? {};
  return {
    bodyBytes: body === undefined ? undefined : parseSize(body, refuseAt([...path, 'body'])),
    rate: rate === undefined ? undefined : parseRate(rate, refuseAt([...path, 'rate'])),
  };
}
