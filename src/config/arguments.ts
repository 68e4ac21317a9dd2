import type { DraftFile, DraftRoute } from './draft.ts';
import { type ConfigIssue, noteInto, type Path, type RefuseAt } from './issues.ts';

/** A route written as one argument: `https://…`, `/path=https://…`, `host=https://…`, `host/path=https://…`. */
interface RouteArgument {
  readonly text: string;
  readonly draft: DraftRoute;
  /** Where each part starts in the text, and how long it is. */
  readonly parts: Readonly<Partial<Record<string | number, readonly [start: number, length: number]>>>;
}

/** Starts like an upstream, so there is no `path=` in front of it. */
const UPSTREAM = /^[a-z][a-z0-9+.-]+:(?!\d)/i;
/** What Git Bash makes of an argument that starts with a slash. */
const DRIVE = /^[a-z]:[\\/]/i;

/** Reads the routes of a command line into the same draft that a file becomes, to be judged by the same rules. */
export function parseArguments(
  texts: readonly string[],
  issues: ConfigIssue[],
): { readonly draft: DraftFile; readonly refuseAt: RefuseAt } {
  const note = noteInto(issues);
  const routes = texts.map(splitArgument);
  const refuseAt: RefuseAt = (path: Path) => {
    const [, index, setting] = path;
    const route = routes[Number(index)];
    if (route === undefined)
      return note({ file: 'command line', line: undefined, column: undefined, excerpt: undefined });
    const [start, length] = route.parts[setting ?? ''] ?? [0, route.text.length];
    const excerpt = { text: route.text, start, length };
    return note({ file: `argument ${Number(index) + 1}`, line: undefined, column: undefined, excerpt });
  };
  for (const [index, { draft, text }] of routes.entries()) {
    if (draft.upstream !== undefined) continue;
    refuseAt(['routes', index])(
      'This argument says where from, but not where to.',
      `Write \`${text}=https://…\`.`,
    );
  }
  return { draft: { routes: routes.map((route) => route.draft) }, refuseAt };
}

function splitArgument(text: string): RouteArgument {
  const equals = text.indexOf('=');
  if (equals === -1 && text.startsWith('/')) {
    return { text, draft: { path: text }, parts: {} };
  }
  if (equals === -1 || UPSTREAM.test(text)) {
    return { text, draft: { path: '/', upstream: text }, parts: { upstream: [0, text.length] } };
  }
  const match = text.slice(0, equals);
  const upstream = text.slice(equals + 1);
  const slash = DRIVE.test(match) ? 0 : match.includes('/') ? match.indexOf('/') : match.length;
  const host = match.slice(0, slash);
  const path = match.slice(slash);
  const parts = {
    host: [0, slash],
    path: [slash, path.length],
    upstream: [equals + 1, upstream.length],
  } as const;
  const draft = {
    upstream,
    ...(path === '' && host !== '' ? {} : { path }),
    ...(host === '' ? {} : { host }),
  };
  return { text, draft, parts };
}
