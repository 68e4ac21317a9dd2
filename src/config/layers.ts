import type { DraftFile, DraftListen } from './draft.ts';
import { type Note, type Path, type Place, quote, type Refuse, type RefuseAt } from './issues.ts';
import { nearest } from './nearest.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What the command line says about the configuration. */
export interface ConfigFlags {
  /** File name. */
  readonly config?: string;
  readonly listen?: readonly string[];
  readonly port?: number;
  /** An address, or `off`. */
  readonly admin?: string;
  /** File name. */
  readonly adminTokenFile?: string;
  readonly allowUnauthenticatedClients?: boolean;
  /** File name. */
  readonly caFile?: string;
  readonly logFormat?: string;
  readonly logLevel?: string;
  /** `env:NAME` or `file:PATH`. */
  readonly clientSecret?: string;
}

/** A value as it was given, and where to complain about it. */
export interface Given<T> {
  readonly value: T;
  readonly refuse: Refuse;
}

/** What one source says about settings that more than one can give; nothing where it says nothing. */
export interface Layer {
  readonly listen?: readonly GivenListener[] | undefined;
  /** Replaces the port of whatever is listened on so far, unix sockets aside. */
  readonly port?: Given<string | number> | undefined;
  readonly admin?: Given<string | number | false> | undefined;
  readonly adminTokenFile?: GivenFile | undefined;
  readonly allowUnauthenticatedClients?: boolean | undefined;
  readonly caFile?: GivenFile | undefined;
  /** For every listener, whatever was said of it. */
  readonly clientSecret?: GivenFile | undefined;
  readonly universeDomain?: Given<string> | undefined;
  readonly log?: GivenLog | undefined;
}

export interface GivenLog {
  readonly format?: Given<string> | undefined;
  readonly level?: Given<string> | undefined;
  readonly sample?: Given<string | number> | undefined;
  readonly slow?: Given<string> | undefined;
}

/** A file name, and the folder it starts at. */
export interface GivenFile extends Given<string> {
  readonly folder: string;
}

/** An address to listen on, and the folder that file names about it start at. */
export interface GivenListener extends Given<string | number> {
  readonly folder: string;
  readonly tls?:
    | {
        readonly cert: Given<string>;
        readonly key: Given<string>;
        readonly clientCa: Given<string> | undefined;
      }
    | undefined;
  readonly clientSecret?: Given<string> | undefined;
  readonly mode?: Given<string> | undefined;
}

/** What the environment says to each of Google's tools; lies below the file, which speaks to this one. */
export function toGoogleLayer(env: Env, note: Note): Layer {
  const value = env[UNIVERSE_DOMAIN];
  return value ? { universeDomain: { value, refuse: note(toNamedPlace(UNIVERSE_DOMAIN, value)) } } : {};
}

/** @param folder the file's own */
export function toFileLayer(draft: DraftFile, refuseAt: RefuseAt, folder: string): Layer {
  const { admin, gate, log } = draft;
  const given = <T>(setting: string, value: T | undefined, path: Path = [setting]): Given<T> | undefined =>
    value === undefined ? undefined : { value, refuse: refuseAt(path) };
  const caFile = given('caFile', draft.caFile);
  const adminMap = typeof admin === 'object' ? admin : undefined;
  const tokenFile = given('tokenFile', adminMap?.tokenFile, ['admin', 'tokenFile']);
  return {
    listen: toGivenListeners(draft.listen, refuseAt, folder),
    admin:
      typeof admin === 'object'
        ? given('address', admin.address, ['admin', 'address'])
        : given('admin', admin),
    adminTokenFile: tokenFile && { ...tokenFile, folder },
    allowUnauthenticatedClients: gate?.allowUnauthenticatedClients,
    caFile: caFile && { ...caFile, folder },
    universeDomain: given('universeDomain', draft.universeDomain),
    log: {
      format: given('format', log?.format, ['log', 'format']),
      level: given('level', log?.level, ['log', 'level']),
      sample: given('sample', log?.sample, ['log', 'sample']),
      slow: given('slow', log?.slow, ['log', 'slow']),
    },
  };
}

function toGivenListeners(
  draft: DraftListen | undefined,
  refuseAt: RefuseAt,
  folder: string,
): readonly GivenListener[] | undefined {
  const read = (one: DraftListener | undefined, path: Path): readonly GivenListener[] => {
    if (typeof one !== 'object')
      return one === undefined ? [] : [{ value: one, refuse: refuseAt(path), folder }];
    const { address: value, tls: { cert, key, clientCa } = {}, clientSecret, mode } = one;
    if (value === undefined) return [];
    const given = (text: string | undefined, ...at: string[]): Given<string> | undefined =>
      text === undefined ? undefined : { value: text, refuse: refuseAt([...path, ...at]) };
    const [givenCert, givenKey] = [given(cert, 'tls', 'cert'), given(key, 'tls', 'key')];
    const tls = givenCert &&
      givenKey && { cert: givenCert, key: givenKey, clientCa: given(clientCa, 'tls', 'clientCa') };
    return [
      {
        value,
        refuse: refuseAt([...path, 'address']),
        folder,
        tls,
        clientSecret: given(clientSecret, 'clientSecret'),
        mode: given(mode, 'mode'),
      },
    ];
  };
  if (draft === undefined) return undefined;
  return isList(draft)
    ? draft.flatMap((one, index) => read(one, ['listen', index]))
    : read(draft, ['listen']);
}

type DraftListener = Exclude<DraftListen, readonly unknown[]>;

function isList(draft: DraftListen): draft is Extract<DraftListen, readonly unknown[]> {
  return Array.isArray(draft);
}

/** `GBP_*`; a variable that is set to nothing says nothing. */
export function toEnvironmentLayer(env: Env, note: Note, cwd: string): Layer {
  const read = (name: VariableName): Given<string> | undefined => {
    const value = env[name];
    return value ? { value, refuse: note(toNamedPlace(name, value)) } : undefined;
  };
  const allow = read('GBP_ALLOW_UNAUTHENTICATED_CLIENTS');
  const caFile = read('GBP_CA_FILE');
  const adminTokenFile = read('GBP_ADMIN_TOKEN_FILE');
  return {
    listen: read('GBP_LISTEN')
      ?.value.split(',')
      .map((part) => ({
        value: part.trim(),
        refuse: note(toNamedPlace('GBP_LISTEN', part.trim())),
        folder: cwd,
      })),
    port: read('GBP_PORT'),
    admin: read('GBP_ADMIN'),
    adminTokenFile: adminTokenFile && { ...adminTokenFile, folder: cwd },
    allowUnauthenticatedClients: allow && parseBoolean(allow),
    caFile: caFile && { ...caFile, folder: cwd },
    log: {
      format: read('GBP_LOG_FORMAT'),
      level: read('GBP_LOG_LEVEL'),
      sample: read('GBP_LOG_SAMPLE'),
      slow: read('GBP_LOG_SLOW'),
    },
    // The one variable that holds a secret itself, for containers. Set to nothing it is a mistake: found when it is read.
    clientSecret:
      env.GBP_CLIENT_SECRET === undefined
        ? undefined
        : { value: 'env:GBP_CLIENT_SECRET', refuse: note(toSilentPlace('GBP_CLIENT_SECRET')), folder: cwd },
  };
}

export function toFlagLayer(flags: ConfigFlags, note: Note, cwd: string): Layer {
  const given = <T extends string | number>(flag: string, value: T): Given<T> => ({
    value,
    refuse: note(toNamedPlace(flag, String(value))),
  });
  const file = (flag: string, value: string | undefined): GivenFile | undefined =>
    value === undefined ? undefined : { ...given(flag, value), folder: cwd };
  return {
    listen: flags.listen?.map((value) => ({ ...given('--listen', value), folder: cwd })),
    port: flags.port === undefined ? undefined : given('--port', flags.port),
    admin: flags.admin === undefined ? undefined : given('--admin', flags.admin),
    adminTokenFile: file('--admin-token-file', flags.adminTokenFile),
    allowUnauthenticatedClients: flags.allowUnauthenticatedClients,
    caFile: file('--ca-file', flags.caFile),
    log: {
      format: flags.logFormat === undefined ? undefined : given('--log-format', flags.logFormat),
      level: flags.logLevel === undefined ? undefined : given('--log-level', flags.logLevel),
    },
    clientSecret:
      flags.clientSecret === undefined
        ? undefined
        : { value: flags.clientSecret, refuse: note(toSilentPlace('--client-secret')), folder: cwd },
  };
}

const UNIVERSE_DOMAIN = 'GOOGLE_CLOUD_UNIVERSE_DOMAIN';

/** Every variable of our own that is read, here or by a command. */
const VARIABLES = [
  'GBP_CONFIG',
  'GBP_LISTEN',
  'GBP_PORT',
  'GBP_ADMIN',
  'GBP_ADMIN_TOKEN_FILE',
  'GBP_ALLOW_UNAUTHENTICATED_CLIENTS',
  'GBP_CA_FILE',
  'GBP_CLIENT_SECRET',
  'GBP_LOG_FORMAT',
  'GBP_LOG_LEVEL',
  'GBP_LOG_SAMPLE',
  'GBP_LOG_SLOW',
  'GBP_DRAIN_DELAY',
  'GBP_DRAIN_TIMEOUT',
  'GBP_MAX_LIFETIME',
  'GBP_WORKERS',
] as const;
type VariableName = (typeof VARIABLES)[number];

/** Variables that look like ours but are not, each with the one that was probably meant. */
export function findMistypedVariables(env: Env): readonly (readonly [given: string, meant: string])[] {
  return Object.keys(env).flatMap((name) => {
    // What `exec` tells its command is ours, too, and read by nobody here.
    const isOurs = VARIABLES.some((known) => known === name) || /^GBP_URL(?:_|$)/.test(name);
    if (!name.startsWith('GBP_') || isOurs) return [];
    const meant = nearest(name, VARIABLES);
    return meant === undefined ? [] : [[name, meant]];
  });
}

function parseBoolean({ value, refuse }: Given<string>): boolean | undefined {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  return refuse(`${quote(value)} is neither true nor false.`);
}

/** As `toNamedPlace`, for what may be a secret by mistake. */
function toSilentPlace(name: string): Place {
  return { file: name, line: undefined, column: undefined, excerpt: undefined };
}

/** A value outside of files, such as that of `GBP_PORT` or `--port`. */
export function toNamedPlace(name: string, text: string): Place {
  return { file: name, line: undefined, column: undefined, excerpt: { text, start: 0, length: text.length } };
}
