import { quote, type Refuse } from './issues.ts';

const RULES = '`*` stands for one whole segment, `**` at the end for everything below.';

/**
 * Reads one line of a route's `paths`: `/healthz`, `/v1/**`, or `/users/ID/avatar` with a `*` for the ID. Refuses what readers of a path
 * spell or take apart differently, so that a line means what it seems to.
 */
export function parsePathPattern(text: string, refuse: Refuse): string | undefined {
  if (!text.startsWith('/')) {
    const isFine = findFault(`/${text}`) === undefined && !/^[a-z]:[\\/]/i.test(text);
    return refuse(
      `The path ${quote(text)} has to start with a slash.`,
      isFine ? `Write \`/${text}\`.` : undefined,
    );
  }
  const fault = findFault(text);
  if (fault === undefined) return text;
  return refuse(`The path ${quote(text)} can't have ${fault[0]}.`, fault[1]);
}

function findFault(path: string): readonly [what: string, hint?: string] | undefined {
  if (path.includes('?')) return ['a query', 'Queries always pass: leave it out.'];
  if (path.includes('#')) return ['a fragment', 'Fragments never reach a server: leave it out.'];
  if (path.includes('%')) return ['percent escapes', 'Paths are compared decoded: write what it stands for.'];
  if (path.includes(';')) return ['path parameters', 'They pass only below `**`.'];
  if (path.includes('\\')) return ['a backslash'];
  if (/[^\x21-\x7e]/.test(path)) {
    return [
      'white space, control characters or letters outside ASCII',
      'Let `*` stand for a segment with those.',
    ];
  }
  if (path.includes('//')) return ['an empty segment (//)'];
  const segments = path.slice(1).split('/');
  if (segments.some((segment) => segment === '.' || segment === '..')) return ['a "." or ".." segment'];
  if (segments.slice(0, -1).includes('**')) return ['`**` before its end', RULES];
  if (segments.some((segment) => segment.includes('*') && segment !== '*' && segment !== '**')) {
    return ['a `*` beside other letters of a segment', RULES];
  }
  return undefined;
}
