import { type FieldLines, holdsToken, joinValues, namesInConnection, rememberByName } from './field-lines.ts';
import { toTrailerNames } from './trailers.ts';

/** About one connection; and `Alt-Svc`, which names other ways to the upstream (RFC 7838), none of them for our clients. */
const RESPONSE_HOP_BY_HOP = new Set(['alt-svc', 'keep-alive', 'te', 'transfer-encoding', 'upgrade']);

/** Fields that say where something is, or for whom. */
const LOCALIZED = new Set([
  'content-location',
  'link',
  'location',
  'refresh',
  'set-cookie',
  'strict-transport-security',
]);

type Role = 'pass' | 'drop' | 'connection' | 'content-length' | 'trailer' | 'localized';

const responseRole = rememberByName((name): Role => {
  if (name === 'connection' || name === 'content-length' || name === 'trailer') return name;
  if (LOCALIZED.has(name)) return 'localized';
  return RESPONSE_HOP_BY_HOP.has(name) || name.startsWith('proxy-') ? 'drop' : 'pass';
});

/** A response head on its way back to the client. */
export interface ClientHead {
  /** Field lines to send, in order, case kept. */
  readonly lines: string[];
  /** The declared length of the body in bytes; undefined when there is none. */
  readonly contentLength: number | undefined;
  /** Names of headers dropped because they held the token, in words where the name itself did. */
  readonly leaked: readonly string[] | undefined;
}

/** A field's value as the client can use it; undefined leaves the field out. `name` is in lower case. */
export type Localize = (name: string, value: string) => string | undefined;

/**
 * The field lines for the client: the upstream's without hop-by-hop ones and without any that give the token back.
 * @param token the token's own text; undefined when the request carried none
 * @param localize for fields that say where something is, or for whom; undefined leaves them as they are
 */
export function toClientHead(
  rawLines: FieldLines,
  status: number,
  token: string | undefined,
  localize?: Localize,
): ClientHead {
  const lines: string[] = [];
  let contentLength: number | undefined;
  let leaked: string[] | undefined;
  let connection: string | undefined;
  let trailer: string | undefined;
  for (let i = 0; i + 1 < rawLines.length; i += 2) {
    const name = rawLines[i] as string;
    const value = rawLines[i + 1] as string;
    if (token !== undefined && holdsToken(name, value, token)) {
      leaked ??= [];
      leaked.push(name.includes(token) ? 'the name of a field' : name);
      // What it names isn't the client's, whatever else it says.
      if (name.toLowerCase() === 'connection') connection = joinValues(connection, value);
      continue;
    }
    const role = responseRole(name);
    if (role === 'drop') continue;
    if (role === 'connection') {
      connection = joinValues(connection, value);
      continue;
    }
    if (role === 'trailer') {
      trailer = joinValues(trailer, value);
      continue;
    }
    if (role === 'content-length') {
      // RFC 9110, section 8.6: no Content-Length in a 1xx or 204 response.
      if (status < 200 || status === 204) continue;
      contentLength = Number(value);
    }
    if (role === 'localized' && localize !== undefined) {
      const local = localize(name.toLowerCase(), value);
      // Resolving a URL takes tabs out of it, and could so put a token together.
      if (local !== undefined && token !== undefined && local.includes(token)) {
        leaked ??= [];
        leaked.push(name);
      } else if (local !== undefined) lines.push(name, local);
      continue;
    }
    lines.push(name, value);
  }
  const named = connection === undefined ? undefined : namesInConnection(connection);
  const kept = named === undefined ? lines : without(lines, named);
  if (trailer !== undefined && contentLength === undefined && mayHaveContent(status)) {
    const names = toTrailerNames(trailer);
    if (names !== undefined) kept.push('Trailer', names);
  }
  return { lines: kept, contentLength, leaked };
}

function mayHaveContent(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 205 && status !== 304;
}

/** The field lines of an interim response for the client. */
export function toInterimLines(
  rawLines: FieldLines,
  token: string | undefined,
  localize?: Localize,
): readonly string[] {
  return toClientHead(rawLines, 103, token, localize).lines;
}

/** The field lines of a 101 for the client: as `toClientHead` has them, and what WebSocket wants. */
export function toSwitchHead(
  rawLines: FieldLines,
  token: string | undefined,
  localize?: Localize,
): ClientHead {
  const head = toClientHead(rawLines, 101, token, localize);
  head.lines.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
  return head;
}

function without(lines: string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    // Framing is never a connection's own business: dropping it would change the message.
    if (names.has(name.toLowerCase()) && name.toLowerCase() !== 'content-length') continue;
    kept.push(name, lines[i + 1] as string);
  }
  return kept;
}
