import type { UnreachableRegion } from './discover.ts';
import type { Judged } from './found.ts';
import type { Planned } from './plan.ts';

export interface ConfigTextOptions {
  readonly project: string;
  /** How it was found, to be run again. */
  readonly command: string;
  /** Who may call the services, where known. */
  readonly identity: string | undefined;
  /** Where that identity came from, unless it is what the file says: application default credentials. */
  readonly credentials: { readonly name: string; readonly file: string } | undefined;
  /** What the file has to say of Google and the network, where it isn't the usual. */
  readonly universeDomain: string | undefined;
  readonly caFile: string | undefined;
  readonly planned: readonly Planned[];
  readonly unreachable: readonly UnreachableRegion[];
  /** Why an API listed nothing. */
  readonly refused: readonly string[];
}

const SCHEMA = './node_modules/gcp-bearer-proxy/config/proxy.schema.json';
/** Names that somebody else gave are no longer than that. */
const LONGEST_NAME = 200;

/** A configuration with a route for each service, and a comment for each that is left out. The same for the same finds. */
export function toConfigText(options: ConfigTextOptions): string {
  const { planned } = options;
  const routes = planned.filter(({ leftOut }) => leftOut === undefined);
  const others = planned.filter(({ leftOut }) => leftOut !== undefined);
  const lines = [...toHeader(options, routes[0]?.path ?? '/'), ...toCredentials(options), 'routes:'];
  for (const plan of routes) lines.push(...toRoute(plan), '');
  for (const plan of others) lines.push(...toRoute(plan), '');
  return `${lines.join('\n').trimEnd()}\n`;
}

function toHeader(options: ConfigTextOptions, example: string): readonly string[] {
  const { project, command, identity = 'you', universeDomain, caFile, unreachable, refused } = options;
  const gaps = [
    ...unreachable.map(({ product, region }) => `${product} in ${region} did not answer.`),
    ...refused,
  ];
  return [
    `# yaml-language-server: $schema=${SCHEMA}`,
    '#',
    comment(`What ${identity} may call in the project ${project}, found by`),
    comment(`  ${command}`),
    '# How to go on:',
    '#   gcp-bearer-proxy check   does each route work, and what to do if not',
    `#   gcp-bearer-proxy start   then: curl localhost:8080${example}`,
    ...(gaps.length === 0
      ? []
      : ['#', '# Not everything was seen:', ...gaps.map((gap) => comment(`  ${gap}`))]),
    '',
    'listen: localhost:8080',
    // What JSON quotes, YAML reads.
    ...(universeDomain === undefined ? [] : [`universeDomain: ${JSON.stringify(universeDomain)}`]),
    ...(caFile === undefined ? [] : [`caFile: ${JSON.stringify(caFile)}`]),
    '',
  ];
}

function toCredentials({ credentials }: ConfigTextOptions): readonly string[] {
  if (credentials !== undefined) {
    const { name, file } = credentials;
    return [
      'credentials:',
      comment(`Found with the credentials ${name} of ${file}: put them here in place of these.`, '  '),
      '  default: { kind: adc }',
      '',
    ];
  }
  return [
    'credentials:',
    '  # `gcloud auth application-default login`, or the file in GOOGLE_APPLICATION_CREDENTIALS, or the machine.',
    '  default: { kind: adc }',
    '',
  ];
}

function toRoute({ found, path, upstream, leftOut, remarks }: Planned): readonly string[] {
  const about = [comment(`${describeFound(found)}.`, '  ')];
  if (leftOut !== undefined) about.push(comment(`Left out, as ${leftOut.because}.`, '  '));
  if (leftOut?.hint !== undefined) about.push(comment(`  ${leftOut.hint}`, '  '));
  if (leftOut === undefined) about.push(...remarks.map((remark) => comment(remark, '  ')));
  if (upstream === undefined) return about;
  const prefix = leftOut === undefined ? '  ' : '  # ';
  return [...about, `${prefix}- path: ${path}`, `${prefix}  upstream: ${upstream}`];
}

/** `orders, a function (generation 2) in europe-west1, changed last on 2026-01-31` */
export function describeFound({ name, kind, generation, region, updatedOn }: Judged): string {
  const what = generation === undefined ? `a ${kind}` : `a ${kind} (generation ${generation})`;
  const when = updatedOn === undefined ? '' : `, changed last on ${updatedOn}`;
  return toPlain(`${shorten(name)}, ${what} in ${shorten(region)}${when}`);
}

/** A comment of one line, whatever is in the text. */
function comment(text: string, indent = ''): string {
  return `${indent}# ${toPlain(text)}`;
}

/** Without anything that ends a line, steers a terminal or hides: names are somebody else's. */
export function toPlain(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}

function shorten(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}
