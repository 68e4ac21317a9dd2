import { type Note, type Place, quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';
import type { DraftFile } from './shape.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What the command line says about the configuration. */
export interface ConfigFlags {
  /** File name. */
  readonly config?: string;
  readonly listen?: readonly string[];
  readonly port?: number;
  /** An address, or `off`. */
  readonly admin?: string;
  readonly allowUnauthenticatedClients?: boolean;
}

/** A value as it was given, and where to complain about it. */
export interface Given<T> {
  readonly value: T;
  readonly refuse: Refuse;
}

/** What one source says about settings that more than one can give; undefined where it says nothing. */
export interface Layer {
  readonly listen: readonly Given<string | number>[] | undefined;
  /** Replaces the port of whatever is listened on so far. */
  readonly port: Given<string | number> | undefined;
  readonly admin: Given<string | number | false> | undefined;
  readonly allowUnauthenticatedClients: boolean | undefined;
}

export function toFileLayer(draft: DraftFile, refuseAt: RefuseAt): Layer {
  const { listen, admin, gate } = draft;
  const listed = typeof listen === 'object' ? listen : undefined;
  const single = typeof listen === 'object' || listen === undefined ? undefined : listen;
  return {
    listen:
      single !== undefined
        ? [{ value: single, refuse: refuseAt(['listen']) }]
        : listed?.flatMap((value, index) =>
            value === undefined ? [] : [{ value, refuse: refuseAt(['listen', index]) }],
          ),
    port: undefined,
    admin: admin === undefined ? undefined : { value: admin, refuse: refuseAt(['admin']) },
    allowUnauthenticatedClients: gate?.allowUnauthenticatedClients,
  };
}

/** `GBP_*`; a variable that is set to nothing says nothing. */
export function toEnvironmentLayer(env: Env, note: Note): Layer {
  const read = (name: VariableName): Given<string> | undefined => {
    const value = env[name];
    return value ? { value, refuse: note(toNamedPlace(name, value)) } : undefined;
  };
  const allow = read('GBP_ALLOW_UNAUTHENTICATED_CLIENTS');
  return {
    listen: read('GBP_LISTEN')
      ?.value.split(',')
      .map((part) => ({ value: part.trim(), refuse: note(toNamedPlace('GBP_LISTEN', part.trim())) })),
    port: read('GBP_PORT'),
    admin: read('GBP_ADMIN'),
    allowUnauthenticatedClients: allow && parseBoolean(allow),
  };
}

export function toFlagLayer(flags: ConfigFlags, note: Note): Layer {
  const given = <T extends string | number>(flag: string, value: T): Given<T> => ({
    value,
    refuse: note(toNamedPlace(flag, String(value))),
  });
  return {
    listen: flags.listen?.map((value) => given('--listen', value)),
    port: flags.port === undefined ? undefined : given('--port', flags.port),
    admin: flags.admin === undefined ? undefined : given('--admin', flags.admin),
    allowUnauthenticatedClients: flags.allowUnauthenticatedClients,
  };
}

/** Every variable that is read. */
const VARIABLES = [
  'GBP_CONFIG',
  'GBP_LISTEN',
  'GBP_PORT',
  'GBP_ADMIN',
  'GBP_ALLOW_UNAUTHENTICATED_CLIENTS',
] as const;
type VariableName = (typeof VARIABLES)[number];

/** Variables that look like ours but are not, each with the one that was probably meant. */
export function findMistypedVariables(env: Env): readonly (readonly [given: string, meant: string])[] {
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith('GBP_') || VARIABLES.some((known) => known === name)) return [];
    const meant = nearest(name, VARIABLES);
    return meant === undefined ? [] : [[name, meant]];
  });
}

function parseBoolean({ value, refuse }: Given<string>): boolean | undefined {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  return refuse(`${quote(value)} is neither true nor false.`);
}

/** A value outside of files, such as that of `GBP_PORT` or `--port`. */
export function toNamedPlace(name: string, text: string): Place {
  return { file: name, line: undefined, column: undefined, excerpt: { text, start: 0, length: text.length } };
}
