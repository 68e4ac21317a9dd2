import { type FieldLines, joinValues, namesInConnection, rememberByName } from './field-lines.ts';

const RESPONSE_HOP_BY_HOP = new Set(['keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

const responseRole = rememberByName((name): 'pass' | 'drop' | 'connection' | 'content-length' => {
  if (name === 'connection' || name === 'content-length') return name;
  return RESPONSE_HOP_BY_HOP.has(name) || name.startsWith('proxy-') ? 'drop' : 'pass';
});

/** A response head on its way back to the client. */
export interface ClientHead {
  /** Field lines to send, in order, case kept. */
  readonly lines: string[];
  /** The declared length of the body in bytes; undefined when there is none. */
  readonly contentLength: number | undefined;
  /** Names of headers dropped because they held the token. */
  readonly leaked: readonly string[] | undefined;
}

/**
 * The field lines for the client: the upstream's without hop-by-hop ones and without any that give the token back.
 * `token` is the token's own text; undefined when the request carried none.
 */
export function toClientHead(rawLines: FieldLines, status: number, token: string | undefined): ClientHead {
  const lines: string[] = [];
  let contentLength: number | undefined;
  let leaked: string[] | undefined;
  let connection: string | undefined;
  for (let i = 0; i + 1 < rawLines.length; i += 2) {
    const name = rawLines[i] as string;
    const value = rawLines[i + 1] as string;
    const role = responseRole(name);
    if (role === 'drop') continue;
    if (role === 'connection') {
      connection = joinValues(connection, value);
      continue;
    }
    if (role === 'content-length') {
      // RFC 9110, section 8.6: no Content-Length in a 1xx or 204 response.
      if (status < 200 || status === 204) continue;
      contentLength = Number(value);
    }
    if (token !== undefined && value.length >= token.length && value.includes(token)) {
      leaked ??= [];
      leaked.push(name);
      continue;
    }
    lines.push(name, value);
  }
  const named = connection === undefined ? undefined : namesInConnection(connection);
  return { lines: named === undefined ? lines : without(lines, named), contentLength, leaked };
}

/** Where else the same service is found (RFC 7838): a client that went there would be without its token. */
const NOT_IN_SWITCH = new Set(['alt-svc']);

/** The field lines of a 101 for the client: as `toClientHead` has them, and what WebSocket wants. */
export function toSwitchHead(rawLines: FieldLines, token: string | undefined): ClientHead {
  const head = toClientHead(rawLines, 101, token);
  const lines = without(head.lines, NOT_IN_SWITCH);
  lines.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
  return { ...head, lines };
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
