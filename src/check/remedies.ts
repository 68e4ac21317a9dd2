import type { RouteReport } from './result.ts';

/** One thing to do, for all routes that need it. */
export interface Remedy {
  readonly routes: readonly string[];
  readonly message: string;
  /** The command or line. */
  readonly hint: string | undefined;
}

/** What there is to do about all results of a status, each thing once. */
export function findRemedies(
  reports: readonly RouteReport[],
  status: 'failed' | 'warning',
): readonly Remedy[] {
  const remedies = new Map<string, Remedy>();
  for (const { name, checks } of reports) {
    for (const { message, hint } of checks.filter((check) => check.status === status)) {
      // The same cure for two findings is one thing to do; the first finding is the nearest to the cause.
      const key = hint ?? message;
      const known = remedies.get(key) ?? { routes: [], message, hint };
      const routes = known.routes.includes(name) ? known.routes : [...known.routes, name];
      remedies.set(key, { ...known, routes });
    }
  }
  return [...remedies.values()];
}
