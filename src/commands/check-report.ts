import type { RouteReport } from '../check/result.ts';
import { formatAddress, formatListener } from '../config/address.ts';
import type { Config } from '../config/config.ts';
import type { ConfigIssue } from '../config/issues.ts';
import type { ProxyError } from '../errors.ts';
import { formatUpstream } from './check-text.ts';

/** There is no configuration to find mistakes in. */
export interface Failure {
  readonly kind: 'failed';
  readonly error: ProxyError;
}

export type CheckOutcome =
  | Failure
  | { readonly kind: 'bad'; readonly source: string; readonly issues: readonly ConfigIssue[] }
  /** `reports` is in the order of the configuration's routes; empty when nobody was asked. */
  | { readonly kind: 'good'; readonly config: Config; readonly reports: readonly RouteReport[] };

/** What `check --json` prints. Fields are never taken away, and never there at one time and not at another. */
export function toCheckReport(outcome: CheckOutcome): object {
  const nothing = { listen: [], admin: null, routes: [], issues: [], warnings: [] };
  switch (outcome.kind) {
    case 'failed': {
      const { message, hint = null } = outcome.error;
      const issue = { file: null, line: null, column: null, message, hint };
      return { ok: false, source: null, ...nothing, issues: [issue] };
    }
    case 'bad':
      return { ok: false, source: outcome.source, ...nothing, issues: outcome.issues.map(toIssue) };
    case 'good': {
      const { config, reports } = outcome;
      const { source, listen, admin, warnings } = config;
      return {
        ok: reports.every(({ isFine }) => isFine),
        source,
        listen: listen.map(formatListener),
        admin: admin === undefined ? null : formatAddress(admin),
        routes: toRoutes(config, reports),
        issues: [],
        warnings: warnings.map(({ route = null, message, hint = null }) => ({ route, message, hint })),
      };
    }
  }
}

function toIssue({ file, line, column, message, hint }: ConfigIssue): object {
  return { file, line: line ?? null, column: column ?? null, message, hint: hint ?? null };
}

function toRoutes({ routes, credentials }: Config, reports: readonly RouteReport[]): object[] {
  return routes.map((route, index) => {
    const report = reports[index];
    return {
      name: route.name,
      host: route.host ?? null,
      path: route.path,
      upstream: formatUpstream(route),
      credentials: route.credentials,
      credentialKind: credentials[route.credentials]?.kind ?? null,
      token: route.token,
      credential: report?.credential ?? null,
      identity: report?.identity ?? null,
      claims: report?.claims ?? null,
      checks: (report?.checks ?? []).map(({ name, status, message, hint = null }) => ({
        name,
        status,
        message,
        hint,
      })),
    };
  });
}
