import type { RouteConfig } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { createPathList, type PathList } from '../routing/path-list.ts';
import { type FieldLines, rememberByName } from './field-lines.ts';
import type { RateLimit } from './rate-limit.ts';

/** What a route lets through; each undefined: everything. */
export interface RouteRules {
  /** The lines of `paths`, for messages. */
  readonly pathLines: readonly string[];
  readonly takesPath: PathList | undefined;
  readonly methods: ReadonlySet<string> | undefined;
  /** Nothing that could change something passes, a WebSocket neither. */
  readonly readOnly: boolean;
  /** Largest body, in bytes. */
  readonly bodyBytes: number | undefined;
}

/** Compiles what a route's configuration says; undefined where it lets everything through. */
export function compileRules({
  methods,
  readOnly,
  paths,
  limits: { bodyBytes },
}: Pick<RouteConfig, 'methods' | 'readOnly' | 'paths' | 'limits'>): RouteRules | undefined {
  if (methods === undefined && paths === undefined && bodyBytes === undefined) return undefined;
  return {
    pathLines: paths ?? [],
    takesPath: paths && createPathList(paths),
    methods: methods && new Set(methods),
    readOnly,
    bodyBytes,
  };
}

/** What of a request its route's rules are about. */
export interface RuledRequest {
  readonly method: string;
  readonly lines: FieldLines;
  /** The client's, behind the route's own. */
  readonly path: string;
  /** From the `?` on; empty when there is none. */
  readonly query: string;
  /** It is to become a WebSocket. */
  readonly isUpgrade: boolean;
  /** Declared size of the body; undefined where there is none, or it isn't known yet. */
  readonly bodyBytes: number | undefined;
}

/**
 * Why a route doesn't take a request; undefined: it does. Pure.
 * @returns ProxyError `method_denied`, `path_denied`, `body_too_large`
 */
export function findDenial(
  routeName: string,
  rules: RouteRules,
  request: RuledRequest,
): ProxyError | undefined {
  return (
    findMethodDenial(routeName, rules, request) ??
    findPathDenial(routeName, rules, request) ??
    findBodyDenial(routeName, rules, request)
  );
}

/**
 * Headers by which frameworks, and Google's APIs, are asked for another method than the request's own; and those by which some are
 * asked for another path (CVE-2018-14773). CGI-style servers read `_` and `-` as one.
 */
const OVERRIDES: Readonly<Record<string, 'method' | 'path'>> = {
  'x-http-method-override': 'method',
  'x-http-method': 'method',
  'x-method-override': 'method',
  'x-original-url': 'path',
  'x-rewrite-url': 'path',
};
const overrideOf = rememberByName((lowerName) => {
  const name = lowerName.replaceAll('_', '-');
  return Object.hasOwn(OVERRIDES, name) ? OVERRIDES[name] : undefined;
});

function findMethodDenial(
  name: string,
  { methods, readOnly }: RouteRules,
  { method, lines, query, isUpgrade }: RuledRequest,
): ProxyError | undefined {
  if (methods === undefined) return undefined;
  const deny = (what: string): ProxyError => {
    const allow = [...methods].join(', ');
    const kind = readOnly ? `is read-only and takes ${allow}` : `takes ${allow}`;
    const change = readOnly ? 'take `readOnly: true` off' : 'add it to `methods` of';
    const hint = `If that is to pass, ${change} this route in the configuration.`;
    return new ProxyError('method_denied', `Route ${name} ${kind}: ${what}.`, { hint, allow });
  };
  if (!methods.has(method)) return deny(`no ${cut(method, LONGEST_SHOWN_METHOD)}`);
  if (readOnly && isUpgrade) return deny('no WebSocket, which could write');
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [header, asked] = [lines[i] as string, lines[i + 1] as string];
    if (overrideOf(header) === 'method' && !methods.has(asked.trim().toUpperCase()))
      return deny(`no other method by way of the header ${header}`);
  }
  const parameter = query === '' ? undefined : findQueryOverride(query, methods);
  return parameter === undefined ? undefined : deny(`no other method by way of ${parameter} in the query`);
}

/**
 * Parameters by which Google's front end takes a method, or header lines, from the query, so that pages need no preflight
 * (https://google.github.io/closure-library/api/goog.net.rpc.HttpCors.html).
 */
const METHOD_PARAMETER = '$httpMethod';
const HEADERS_PARAMETER = '$httpHeaders';

/** The parameter that asks for a method outside of a list; undefined: none does. */
function findQueryOverride(query: string, methods: ReadonlySet<string>): string | undefined {
  const isListed = (asked: string): boolean => methods.has(asked.trim().toUpperCase());
  const parameters = new URLSearchParams(query);
  if (!parameters.getAll(METHOD_PARAMETER).every(isListed)) return METHOD_PARAMETER;
  const lines = parameters.getAll(HEADERS_PARAMETER).flatMap((value) => value.split(/[\r\n]+/));
  const areListed = lines.every((line) => {
    const [name = '', ...rest] = line.split(':');
    return overrideOf(name.trim().toLowerCase()) !== 'method' || isListed(rest.join(':'));
  });
  return areListed ? undefined : HEADERS_PARAMETER;
}

const LONGEST_SHOWN_METHOD = 30;
const LONGEST_SHOWN_PATH = 200;
const MOST_SHOWN_LINES = 10;

function findPathDenial(
  name: string,
  { takesPath, pathLines }: RouteRules,
  { path, lines }: RuledRequest,
): ProxyError | undefined {
  if (takesPath === undefined) return undefined;
  if (!takesPath(path)) return toPathDenial(name, pathLines, path);
  const header = lines.find((text, i) => i % 2 === 0 && overrideOf(text) === 'path');
  if (header === undefined) return undefined;
  const message = `Route ${name} has \`paths\`, and takes no other path by way of the header ${header}.`;
  return new ProxyError('path_denied', message, { hint: 'Leave the header out.' });
}

function toPathDenial(name: string, pathLines: readonly string[], path: string): ProxyError {
  const shown = pathLines.slice(0, MOST_SHOWN_LINES).join(', ');
  const list = pathLines.length > MOST_SHOWN_LINES ? `${shown}, …` : shown;
  const isUnclear = /[%;]|\/\/|[^\x21-\x7e]/.test(path);
  const reading = isUnclear
    ? ' Escaped slashes, path parameters and empty segments pass only below `**`, and escapes only where all readers agree on them.'
    : '';
  return new ProxyError(
    'path_denied',
    `Route ${name} doesn't take ${cut(path === '' ? '/' : path, LONGEST_SHOWN_PATH)}: its \`paths\` are ${list}.`,
    { hint: `If that is to pass, add a line to \`paths\` of this route in the configuration.${reading}` },
  );
}

function findBodyDenial(
  name: string,
  { bodyBytes: limitBytes }: RouteRules,
  { bodyBytes }: RuledRequest,
): ProxyError | undefined {
  if (limitBytes === undefined || bodyBytes === undefined || bodyBytes <= limitBytes) return undefined;
  return toBodyDenial(name, limitBytes);
}

/** The answer to a body that is larger than its route takes, whether that was said or is found out as it comes. */
export function toBodyDenial(routeName: string, limitBytes: number): ProxyError {
  return new ProxyError('body_too_large', `Route ${routeName} takes bodies of at most ${limitBytes} bytes.`, {
    hint: 'If larger ones are to pass, raise `limits.body` of this route in the configuration.',
  });
}

/** The answer to a request that came too early by so many milliseconds. */
export function toRateDenial(routeName: string, { count, periodMs }: RateLimit, earlyMs: number): ProxyError {
  return new ProxyError(
    'rate_limited',
    `Route ${routeName} takes ${count} requests in ${periodMs / 1_000} s, and there were as many.`,
    {
      hint: 'If more are to pass, raise `limits.rate` of this route in the configuration.',
      retryAfterMs: earlyMs,
    },
  );
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
