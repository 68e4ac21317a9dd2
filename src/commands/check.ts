import type { Progress } from '../check/check-route.ts';
import { checkRoutes } from '../check-routes.ts';
import { readClientSecret } from '../client-secrets.ts';
import type { Config, RouteConfig } from '../config/config.ts';
import { formatIssues } from '../config/issues.ts';
import { type ConfigFlags, inspectConfig } from '../config/resolve.ts';
import { isProxyError } from '../errors.ts';
import { type CheckOutcome, type Failure, toCheckReport } from './check-report.ts';
import { createCheckText } from './check-text.ts';
import type { Io } from './io.ts';
import { chooseRoutes, splitPositionals } from './route-arguments.ts';

export interface CheckOptions extends ConfigFlags {
  /** One JSON document on stdout, for scripts. */
  readonly json: boolean;
  /** Nothing but the configuration: no credential is read, and nobody is asked. */
  readonly offline: boolean;
  /** Names of configured routes; or routes to make, as for `start`. */
  readonly positionals: readonly string[];
}

/** Exit codes: what came of it, the worst first. */
const EXIT_CONFIGURATION = 3;
const EXIT_CREDENTIALS = 4;
const EXIT_REFUSED = 1;

/**
 * Explains a configuration, or every mistake in it; then, route by route, whether a request would get through: credential,
 * token, network, and what the upstream answers.
 * @returns the exit code: 0; 3 for mistakes, 4 when a token can't be had, 1 when an upstream refuses or can't be reached
 * @throws ProxyError `usage`, or as `inspectConfig` where no JSON was asked for
 */
export async function runCheck(options: CheckOptions, io: Io): Promise<number> {
  const { json, offline, positionals, ...flags } = options;
  const { names, definitions } = splitPositionals(positionals, 'check');
  const input = { flags, positionals: definitions, env: io.env, cwd: io.cwd };
  const findings = await inspectConfig(input).catch(toFailure);
  if (findings.kind !== 'good') return explainMistakes(findings, json, io);
  const config = { ...findings.config, routes: chooseRoutes(findings.config, names) };
  const text = createCheckText(config, io);
  if (!json) text.writeConfig();
  if (offline) {
    if (json) writeJson(io, toCheckReport({ kind: 'good', config, reports: [] }));
    else text.writeRoutes();
    return 0;
  }
  const secrets = await readClientSecrets(config, io).catch(toFailure);
  if (secrets !== undefined) return explainMistakes(secrets, json, io);
  const beginRoute = (route: RouteConfig): Progress => (json ? SILENT : text.beginRoute(route));
  const reports = await checkRoutes({ config, env: io.env, beginRoute }).catch(toFailure);
  if ('error' in reports) return explainMistakes(reports, json, io);
  if (json) writeJson(io, toCheckReport({ kind: 'good', config, reports }));
  else text.writeSummary(reports);
  if (reports.some(({ lacksToken }) => lacksToken)) return EXIT_CREDENTIALS;
  return reports.some(({ isFine }) => !isFine) ? EXIT_REFUSED : 0;
}

function explainMistakes(outcome: Exclude<CheckOutcome, { kind: 'good' }>, json: boolean, io: Io): number {
  if (json) writeJson(io, toCheckReport(outcome));
  else if (outcome.kind === 'bad') io.stderr.write(`${formatIssues(outcome.issues)}\n`);
  else throw outcome.error;
  return EXIT_CONFIGURATION;
}

/** Those are needed to start. */
async function readClientSecrets({ listen }: Config, { env }: Io): Promise<undefined> {
  for (const { clientSecret } of listen)
    if (clientSecret !== undefined) await readClientSecret(clientSecret, env);
  return undefined;
}

const SILENT: Progress = { begin: () => {}, end: () => {} };

function writeJson(io: Io, report: unknown): void {
  io.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
}

function toFailure(error: unknown): Failure {
  if (isProxyError(error) && error.exitCode === EXIT_CONFIGURATION) return { kind: 'failed', error };
  throw error;
}
