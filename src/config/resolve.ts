import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ProxyError } from '../errors.ts';
import { parseArguments } from './arguments.ts';
import type { Config } from './config.ts';
import type { DraftFile } from './draft.ts';
import { readFileText } from './file-text.ts';
import { interpretDraft } from './interpret.ts';
import { type ConfigIssue, formatIssues, noteInto, type RefuseAt, sortIssues } from './issues.ts';
import {
  type ConfigFlags,
  type Env,
  toEnvironmentLayer,
  toFileLayer,
  toFlagLayer,
  toGoogleLayer,
} from './layers.ts';
import { refuseUnsafeEnvironment } from './unsafe-environment.ts';

export type { ConfigFlags } from './layers.ts';

export interface ConfigInput {
  readonly flags: ConfigFlags;
  /** Routes of the command line; with any, no file is read. */
  readonly positionals: readonly string[];
  readonly env: Env;
  readonly cwd: string;
}

/** What came of a configuration: it, or everything that is wrong with it. */
export type ConfigFindings =
  | { readonly kind: 'good'; readonly config: Config }
  | { readonly kind: 'bad'; readonly source: string; readonly issues: readonly ConfigIssue[] };

/** Looked for in the working folder, in this order, when nothing names a file. */
const DEFAULT_FILES = ['proxy.yaml', 'proxy.yml'];
const COMMAND_LINE = 'command line';

/**
 * The configuration from defaults, file, environment (`GBP_*`) and flags, each over the one before. The file is
 * `--config`, `$GBP_CONFIG` or `./proxy.yaml`.
 * @throws ProxyError `config_invalid` with all mistakes in its message, `config_not_found`, `usage`, `unsafe_environment`
 */
export async function resolveConfig(input: ConfigInput): Promise<Config> {
  const findings = await inspectConfig(input);
  if (findings.kind === 'bad') throw new ProxyError('config_invalid', formatIssues(findings.issues));
  return findings.config;
}

/**
 * As `resolveConfig`, with the mistakes as data.
 * @throws ProxyError `config_not_found`, `usage`, `unsafe_environment`
 */
export async function inspectConfig({ flags, positionals, env, cwd }: ConfigInput): Promise<ConfigFindings> {
  refuseUnsafeEnvironment(env);
  const issues: ConfigIssue[] = [];
  const note = noteInto(issues);
  const source =
    positionals.length > 0
      ? readArguments(positionals, flags, cwd, issues)
      : await readFile(flags, env, cwd, issues);
  const layers = [
    toGoogleLayer(env, note),
    toFileLayer(source.draft, source.refuseAt, source.folder),
    toEnvironmentLayer(env, note, cwd),
    toFlagLayer(flags, note, cwd),
  ];
  const config = interpretDraft({ ...source, layers, env });
  if (issues.length === 0) return { kind: 'good', config };
  return { kind: 'bad', source: source.source, issues: sortIssues(issues) };
}

interface Source {
  readonly source: string;
  readonly folder: string;
  readonly draft: DraftFile;
  readonly refuseAt: RefuseAt;
}

function readArguments(
  positionals: readonly string[],
  flags: ConfigFlags,
  cwd: string,
  issues: ConfigIssue[],
): Source {
  if (flags.config !== undefined) {
    throw new ProxyError('usage', 'Routes on the command line and --config exclude each other.', {
      hint: `Write the routes into ${flags.config}, or leave --config out.`,
    });
  }
  return { source: COMMAND_LINE, folder: cwd, ...parseArguments(positionals, issues) };
}

async function readFile(flags: ConfigFlags, env: Env, cwd: string, issues: ConfigIssue[]): Promise<Source> {
  const name = await findFile(flags, env, cwd);
  const file = resolve(cwd, name);
  const whole = noteInto(issues)({ file: name, line: undefined, column: undefined, excerpt: undefined });
  const text = await readFileText(file, whole);
  const source = { source: name, folder: dirname(file) };
  if (text === undefined) return { ...source, draft: {}, refuseAt: () => whole };
  // YAML and Zod take a third of the time it takes to start: not loaded where there is no file.
  const { parseConfigText } = await import('./read.ts');
  return { ...source, ...parseConfigText(text, name, issues) };
}

async function findFile(flags: ConfigFlags, env: Env, cwd: string): Promise<string> {
  const named = flags.config ?? (env.GBP_CONFIG || undefined);
  for (const name of named === undefined ? DEFAULT_FILES : [named]) {
    if (await exists(resolve(cwd, name))) return name;
  }
  const message =
    named === undefined
      ? 'There is no proxy.yaml in this folder, and no route on the command line.'
      : `There is no file ${named}, which ${flags.config === undefined ? 'GBP_CONFIG' : '--config'} names.`;
  throw new ProxyError('config_not_found', message, {
    hint: 'Name a file: --config FILE. Or start without one: gcp-bearer-proxy https://SERVICE-abc123-an.a.run.app',
  });
}

/** Also true when it can't be told: reading it will say why. */
async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}
