import { formatAddress } from '../config/address.ts';
import type { Config, ConfigWarning, CredentialConfig, RouteConfig } from '../config/config.ts';
import { formatIssues } from '../config/issues.ts';
import { type ConfigFindings, type ConfigFlags, inspectConfig } from '../config/resolve.ts';
import { isProxyError, type ProxyError } from '../errors.ts';
import type { Io } from './io.ts';

export interface CheckOptions extends ConfigFlags {
  /** One JSON document on stdout, for scripts. */
  readonly json: boolean;
  /** Routes of the command line, as for `start`. */
  readonly positionals: readonly string[];
}

/** Exit code for a configuration that can't be used. */
const EXIT_CONFIGURATION = 3;

/**
 * Says how a configuration is understood, or every mistake in it. Reads no credential and asks nobody.
 * @returns the exit code: 0, or 3 when there are mistakes
 * @throws ProxyError `usage`
 */
export async function runCheck(options: CheckOptions, io: Io): Promise<number> {
  const { json, positionals, ...flags } = options;
  const findings = await inspectConfig({ flags, positionals, env: io.env, cwd: io.cwd }).catch(toFailure);
  if (json) io.stdout.write(`${JSON.stringify(toReport(findings), undefined, 2)}\n`);
  else if (findings.kind === 'good') explain(findings.config, io);
  else if (findings.kind === 'bad') io.stderr.write(`${formatIssues(findings.issues)}\n`);
  else throw findings.error;
  return findings.kind === 'good' ? 0 : EXIT_CONFIGURATION;
}

/** There is no configuration to find mistakes in. */
interface Failure {
  readonly kind: 'failed';
  readonly error: ProxyError;
}

function toFailure(error: unknown): Failure {
  if (isProxyError(error) && error.exitCode === EXIT_CONFIGURATION) return { kind: 'failed', error };
  throw error;
}

function toReport(findings: ConfigFindings | Failure): unknown {
  const nothing = { listen: [], admin: null, routes: [], issues: [], warnings: [] };
  if (findings.kind === 'failed') {
    const { message, hint = null } = findings.error;
    return {
      ...nothing,
      ok: false,
      source: null,
      issues: [{ file: null, line: null, column: null, message, hint }],
    };
  }
  if (findings.kind === 'bad') {
    const issues = findings.issues.map(({ file, line = null, column = null, message, hint = null }) => ({
      file,
      line,
      column,
      message,
      hint,
    }));
    return { ...nothing, ok: false, source: findings.source, issues };
  }
  const { source, listen, admin, routes, credentials, warnings } = findings.config;
  return {
    ok: true,
    source,
    listen: listen.map(formatAddress),
    admin: admin === undefined ? null : formatAddress(admin),
    routes: routes.map((route) => ({
      name: route.name,
      host: route.host ?? null,
      path: route.path,
      upstream: formatUpstream(route),
      credentials: route.credentials,
      credentialKind: credentials[route.credentials]?.kind ?? null,
      token: route.token,
    })),
    issues: [],
    warnings: warnings.map(({ route = null, message, hint = null }) => ({ route, message, hint })),
  };
}

function explain(config: Config, io: Io): void {
  const { source, listen, admin, routes, credentials, warnings } = config;
  const rows = routes.map((route) => [
    route.name,
    `-> ${formatUpstream(route)}`,
    formatToken(route),
    route.token.kind === 'none'
      ? ''
      : `as ${route.credentials} (${describeCredential(credentials[route.credentials])})`,
  ]);
  const lines = [
    `The configuration is fine: ${source}`,
    '',
    `  listen  ${listen.map(formatAddress).join(', ')}`,
    `  admin   ${admin === undefined ? 'off' : formatAddress(admin)}`,
    '',
    ...alignColumns(rows).map((row) => `  ${row}`),
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
  for (const warning of warnings) io.stderr.write(`\n${formatWarning(warning)}\n`);
}

/** The upstream as it is written in a configuration. */
function formatUpstream({ upstream }: RouteConfig): string {
  const base = upstream.basePath === '/' ? '' : upstream.basePath;
  return (upstream.kind === 'url' ? upstream.origin : `emulator:${upstream.service}`) + base;
}

function formatToken({ token }: RouteConfig): string {
  switch (token.kind) {
    case 'id':
      return token.audience === undefined ? 'ID token' : `ID token for ${token.audience}`;
    case 'access':
      return 'access token';
    case 'jwt':
      return `self-signed JWT for ${token.audience}`;
    case 'none':
      return 'no token';
  }
}

function describeCredential(credential: CredentialConfig | undefined): string {
  switch (credential?.kind) {
    case 'key-file':
      return `key file ${credential.key.kind === 'file' ? credential.key.path : credential.key.name}`;
    case 'metadata':
      return `metadata server, ${credential.account}`;
    case 'impersonate':
      return `${credential.account}, by way of ${credential.source}`;
    default:
      return 'application default credentials';
  }
}

function formatWarning({ route, message, hint }: ConfigWarning): string {
  const subject = route === undefined ? '' : ` (route ${route})`;
  return `warning${subject}: ${message}${hint === undefined ? '' : `\n  ${hint}`}`;
}

function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows.reduce<readonly number[]>(
    (widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
