import { quote, type Refuse } from './issues.ts';

/**
 * Reads a path prefix: `/`, or `/a/b` whatever the number of segments; a slash at the end is cut off. Refuses everything
 * that is spelled differently by different readers, so that a route matches what it seems to match.
 */
export function parsePath(text: string, refuse: Refuse): string | undefined {
  if (!text.startsWith('/')) {
    return refuse(`The path ${quote(text)} has to start with a slash.`, hintForStart(text));
  }
  const fault = findFault(text);
  if (fault !== undefined) return refuse(`The path ${quote(text)} can't have ${fault[0]}.`, fault[1]);
  return text === '/' ? text : text.replace(/\/$/, '');
}

function hintForStart(text: string): string | undefined {
  if (/^[a-z]:[\\/]/i.test(text)) {
    return 'Git Bash makes Windows paths of arguments that start with a slash, unless MSYS_NO_PATHCONV=1 is set.';
  }
  return findFault(`/${text}`) === undefined ? `Write \`/${text}\`.` : undefined;
}

function findFault(path: string): readonly [what: string, hint?: string] | undefined {
  if (path.includes('?')) return ['a query', 'Queries are passed on as they come: leave it out.'];
  if (path.includes('#')) return ['a fragment', 'Fragments never reach a server: leave it out.'];
  if (path.includes('%')) return ['percent escapes', 'Use a path of plain letters, digits and -._~'];
  if (path.includes('*')) return ['a wildcard', 'A path matches everything below it already.'];
  if (path.includes('//')) return ['an empty segment (//)'];
  if (/\/\.{1,2}(?:\/|$)/.test(path)) return ['a "." or ".." segment'];
  if (path.includes('\\')) return ['a backslash'];
  if (/[^\x21-\x7e]/.test(path)) return ['white space, control characters or letters outside ASCII'];
  return undefined;
}
