import { styleText } from 'node:util';
import type { ConfigWarning, ListenerConfig } from '../config/config.ts';
import type { RouteSummary, RunningProxy } from '../proxy.ts';

export interface BannerOptions {
  readonly proxy: Pick<RunningProxy, 'urls' | 'adminUrl' | 'routes' | 'warnings'>;
  readonly version: string;
  /** Where the configuration came from. */
  readonly source: string;
  /** What the first address asks of its clients. */
  readonly listener: Pick<ListenerConfig, 'clientSecret'>;
  /** Signs a browser in; undefined where it isn't to be shown, or nobody has to sign in. */
  readonly signInLink: string | undefined;
  readonly colour: boolean;
}

/** What a person wants to see when the proxy is up: where it is, what it does as whom, and a line to try it with. */
export function renderBanner({
  proxy,
  version,
  source,
  listener,
  signInLink,
  colour,
}: BannerOptions): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const width = Math.max(...proxy.routes.map(({ name }) => name.length), 5);
  const lines = [
    '',
    `  ${paint('bold', 'gcp-bearer-proxy')} ${version}   ${paint('dim', source)}`,
    '',
    ...proxy.urls.map((url) => `  ${paint(['bold', 'cyan'], url)}`),
    '',
  ];
  for (const route of proxy.routes) {
    lines.push(`  ${paint('bold', route.name.padEnd(width))}  ${paint('dim', '->')} ${route.upstream}`);
    const pad = ' '.repeat(width + 4);
    lines.push(`${pad}${paint('dim', describeToken(route))}`);
    const error = route.status()?.error;
    if (error !== undefined) {
      lines.push(`${pad}${paint('red', `no token: ${error.message}`)}`);
      if ('hint' in error && typeof error.hint === 'string')
        lines.push(`${pad}${paint('yellow', error.hint)}`);
    }
  }
  if (proxy.adminUrl !== undefined) lines.push('', `  ${paint('dim', 'admin')}  ${proxy.adminUrl}`);
  if (signInLink !== undefined) {
    lines.push('', `  ${paint('dim', 'sign in')}  ${signInLink}`);
    lines.push(`           ${paint('dim', 'once, within ten minutes; gcp-bearer-proxy link makes others')}`);
  }
  const warnings = [...proxy.warnings, ...proxy.routes.flatMap(toTokenWarning)];
  if (warnings.length > 0) lines.push('');
  for (const { route, message, hint } of warnings) {
    lines.push(`  ${paint('yellow', 'warning')}  ${route === undefined ? '' : `${route}: `}${message}`);
    if (hint !== undefined) lines.push(`           ${hint}`);
  }
  const example = proxy.routes.find((route) => route.status()?.error === undefined);
  if (example !== undefined)
    lines.push('', `  ${paint('dim', 'try')}    ${toCurl(example, proxy.urls, listener)}`);
  return `${lines.join('\n')}\n\n`;
}

function toCurl(
  { url }: RouteSummary,
  [first]: readonly string[],
  { clientSecret }: BannerOptions['listener'],
): string {
  const secret = clientSecret && ` -H "Proxy-Authorization: Bearer ${toShellValue(clientSecret)}"`;
  const socket = first?.startsWith('unix:') ? ` --unix-socket ${first.slice('unix:'.length)}` : '';
  return `curl${socket}${secret ?? ''} ${url}`;
}

function toShellValue(source: NonNullable<ListenerConfig['clientSecret']>): string {
  return source.kind === 'env' ? `$${source.name}` : `$(cat ${source.path})`;
}

/** What there is to know about a route's token, as a warning that names the route. */
export function toTokenWarning(route: RouteSummary): readonly ConfigWarning[] {
  const warning = route.tokenWarning();
  return warning === undefined ? [] : [{ route: route.name, ...warning }];
}

function describeToken(route: RouteSummary): string {
  if (route.token === undefined) return 'no token';
  const status = route.status();
  const who = status?.identity ?? route.credential ?? 'unknown identity';
  const left =
    status?.remainingMs === undefined ? '' : `, ${Math.round(status.remainingMs / 60_000)} min left`;
  if (route.token.kind === 'access') return `access token of ${who}${left}`;
  if (route.token.kind === 'jwt') return `JWT signed by ${who} for ${route.token.audience}${left}`;
  return `as ${who} for audience ${route.token.audience}${left}`;
}
