import { styleText } from 'node:util';
import type { Progress } from '../check/check-route.ts';
import { findRemedies, type Remedy } from '../check/remedies.ts';
import type { CheckResult, CheckStatus, RouteReport } from '../check/result.ts';
import { formatAddress, formatListener } from '../config/address.ts';
import type {
  Config,
  ConfigWarning,
  CredentialConfig,
  ListenerConfig,
  RouteConfig,
  SecretSource,
} from '../config/config.ts';
import type { Io } from './io.ts';

/** `check` for people: each line as soon as it is known, and in the end what to do. */
export interface CheckText {
  /** That the configuration is fine, and what it says besides routes. */
  writeConfig(): void;
  /** The routes as they are configured. */
  writeRoutes(): void;
  beginRoute(route: RouteConfig): Progress;
  writeSummary(reports: readonly RouteReport[]): void;
}

/** Marks say it without colours too. */
const MARKS: Readonly<Record<CheckStatus, readonly [mark: string, style: Parameters<typeof styleText>[0]]>> =
  {
    ok: ['ok  ', 'green'],
    warning: ['warn', 'yellow'],
    failed: ['FAIL', 'red'],
    skipped: ['--  ', 'dim'],
  };
const NAME_WIDTH = 'without token'.length;
/** Back to the start of the line, and empty it. */
const ERASE_LINE = '\r\u001b[K';

/** Writes to stdout; to stderr what the configuration warns of. */
export function createCheckText(config: Config, { stdout, stderr, colour }: Io): CheckText {
  // The colours of `Io` are for stderr: none where stdout goes into a file.
  const isTerminal = 'isTTY' in stdout && stdout.isTTY === true;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour && isTerminal ? styleText(style, text, { validateStream: false }) : text;
  const write = (line: string): void => {
    stdout.write(`${line}\n`);
  };
  return {
    writeConfig() {
      const { source, listen, admin, warnings } = config;
      write(`The configuration is fine: ${source}\n`);
      write(`  listen  ${listen.map(describeListener).join(', ')}`);
      write(`  admin   ${admin === undefined ? 'off' : formatAddress(admin)}`);
      for (const warning of warnings) stderr.write(`\n${formatWarning(warning)}\n`);
    },
    writeRoutes() {
      write('');
      for (const row of alignColumns(config.routes.map((route) => describeRoute(route, config))))
        write(`  ${row}`);
    },
    beginRoute(route) {
      const [name = '', ...rest] = describeRoute(route, config);
      write(`\n${paint('bold', name)} ${rest.filter((part) => part !== '').join('  ')}`);
      let isPending = false;
      return {
        begin(check) {
          if (!isTerminal) return;
          stdout.write(`${isPending ? ERASE_LINE : ''}  ${paint('dim', `...   ${check}`)}`);
          isPending = true;
        },
        end(result) {
          if (isPending) stdout.write(ERASE_LINE);
          isPending = false;
          write(renderResult(result, paint));
        },
      };
    },
    writeSummary(reports) {
      const failed = findRemedies(reports, 'failed');
      const warnings = findRemedies(reports, 'warning');
      const fine = reports.filter(({ isFine }) => isFine).length;
      const verdict =
        reports.length === 1
          ? `The route ${fine === 1 ? 'works' : 'does not work'}.`
          : `${fine} of ${reports.length} routes work.`;
      write(`\n${paint(failed.length === 0 ? ['bold', 'green'] : ['bold', 'red'], verdict)}`);
      if (failed.length > 0) writeRemedies('What to fix:', failed);
      if (warnings.length > 0) writeRemedies('Worth knowing:', warnings);
    },
  };

  function writeRemedies(title: string, remedies: readonly Remedy[]): void {
    write(`\n${paint('bold', title)}`);
    for (const { routes, message, hint } of remedies) {
      write(`\n  ${paint('bold', routes.join(', '))}: ${toPlain(message)}`);
      if (hint !== undefined) write(`    ${paint('cyan', toPlain(hint))}`);
    }
  }
}

type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

function renderResult({ name, status, message }: CheckResult, paint: Paint): string {
  const [mark, style] = MARKS[status];
  const shown = toPlain(message);
  return `  ${paint(style, mark)}  ${name.padEnd(NAME_WIDTH)}  ${status === 'skipped' ? paint('dim', shown) : shown}`;
}

/** Names in certificates and claims are somebody else's: nothing in them may steer a terminal. */
function toPlain(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

/** The upstream as it is written in a configuration. */
export function formatUpstream({ upstream }: RouteConfig): string {
  const base = upstream.basePath === '/' ? '' : upstream.basePath;
  return (upstream.kind === 'emulator' ? `emulator:${upstream.service}` : upstream.origin) + base;
}

function describeRoute(route: RouteConfig, { credentials }: Config): readonly string[] {
  const { name, token } = route;
  const who =
    token.kind === 'none'
      ? ''
      : `as ${route.credentials} (${describeCredential(credentials[route.credentials])})`;
  return [name, `-> ${formatUpstream(route)}`, formatToken(route), who];
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
    case undefined:
      return 'unknown';
    case 'adc':
      return 'application default credentials';
    case 'key-file':
      return `key ${formatSecret(credential.key)}`;
    case 'user':
      return `login ${credential.path ?? 'of gcloud'}`;
    case 'metadata':
      return `metadata server, ${credential.account}`;
    case 'impersonate':
      return `${credential.account}, by way of ${credential.source}`;
    case 'federated':
      return `federated from ${credential.from.kind}`;
    case 'gcloud':
      return `gcloud, ${credential.account ?? 'active account'}`;
    case 'token':
      return `token ${formatSecret(credential.from)}`;
    case 'none':
      return 'none';
  }
}

/** Where it is, and what its clients have to show. */
function describeListener(listener: ListenerConfig): string {
  const { clientSecret, tls } = listener;
  const asked = [
    clientSecret === undefined ? [] : [`client secret ${formatSecret(clientSecret)}`],
    tls?.clientCaFile === undefined ? [] : [`client certificate of ${tls.clientCaFile}`],
  ].flat();
  return `${formatListener(listener)}${asked.length === 0 ? '' : ` (${asked.join(', ')})`}`;
}

function formatSecret(source: SecretSource): string {
  return source.kind === 'file' ? `file ${source.path}` : `in ${source.name}`;
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
