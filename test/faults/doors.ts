import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { UpstreamProtocol } from '../../src/config/config.ts';
import type { TestAuthority } from '../support/certificates.ts';
import { closedPort } from '../support/sockets.ts';
import { type ScriptedUpstream, startServer } from './upstream.ts';

/** An upstream that does the same with every connection, as it can't know yet, or will never know, for which exchange it is. */
export interface Door {
  /** Any of these is right: see `rules.ts`. */
  readonly verdicts: readonly string[];
  /** What a client sees that asked for the head only, where that is something else. */
  readonly headVerdicts?: readonly string[];
  /** What it is asked by; HTTP/1.1 if left out. */
  readonly protocol?: UpstreamProtocol;
  /** @returns where it is, and what is to be closed */
  open(authority: TestAuthority): Promise<{ readonly origin: string; readonly upstream: ScriptedUpstream }>;
}

/** One that can't be connected to is soon not tried any more (R58). */
const UNTRIED = '503 circuit_open';
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';

/** What is done with a connection in clear text as soon as it stands. */
export const plain = (verdicts: readonly string[], meet: (socket: Socket) => void): Door => ({
  verdicts,
  async open() {
    const upstream = await startServer(meet);
    return { origin: upstream.origin, upstream };
  },
});

/** The same, where the proxy wants to speak TLS. */
const untold = (verdicts: readonly string[], meet: (socket: Socket) => void): Door => ({
  verdicts: [...verdicts, UNTRIED],
  async open() {
    const upstream = await startServer(meet);
    return { origin: toSecure(upstream.origin), upstream };
  },
});

/** Over TLS, with a certificate for these hosts; `answer` has the connection's two layers once a request came. */
const secure = (
  verdicts: readonly string[],
  answer: (socket: Socket, wire: Socket) => void,
  hosts: readonly string[] = ['localhost'],
): Door => ({
  verdicts,
  async open(authority) {
    const wires = new Map<number | undefined, Socket>();
    const upstream = await startServer(
      (socket) => {
        socket.once('data', () => answer(socket, wires.get(socket.remotePort) ?? socket));
      },
      (_options, onConnection) => {
        const server = createTlsServer(authority.issue(hosts), onConnection);
        server.on('connection', (wire: Socket) => wires.set(wire.remotePort, wire));
        server.on('tlsClientError', () => {});
        return server;
      },
    );
    return { origin: toSecure(upstream.origin), upstream };
  },
});

const toSecure = (origin: string): string => origin.replace('http://127.0.0.1', 'https://localhost');

/** A port that nobody listens on. A connection that comes from there holds it, lest another server, or a connection to itself, turns up there. */
async function openNowhere(): Promise<{ origin: string; upstream: ScriptedUpstream }> {
  const upstream = await startServer((socket) => socket.resume());
  const localPort = await closedPort();
  const { port } = new URL(upstream.origin);
  const holder = connect({ host: '127.0.0.1', port: Number(port), localAddress: '127.0.0.1', localPort });
  await once(holder, 'connect');
  holder.on('error', () => {});
  // It stays up to the end.
  return { origin: `http://127.0.0.1:${localPort}`, upstream: { ...upstream, sockets: new Set() } };
}

/** Answers of doors bear no exchange's name. */
const COMPLETE = ['200 of nobody'];
const BROKEN = ['200 of nobody broken', 'closed'];
const RESET = ['502 upstream_reset'];
const HEAD = 'HTTP/1.1 200 OK\r\n';

/** What has to end in the middle, with the alert that closes TLS or without. */
const cutOff = (head: string, ending: (socket: Socket, wire: Socket) => void): Door =>
  secure(head === '' ? COMPLETE : BROKEN, (socket, wire) => {
    socket.write(`${HEAD}${head}\r\n${head.startsWith('T') ? '5\r\nhello\r\n' : 'hello'}`, () =>
      ending(socket, wire),
    );
  });
const withAlert = (socket: Socket): unknown => socket.end();
const withoutAlert = (_socket: Socket, wire: Socket): unknown => wire.end();

/** Upstreams that speak HTTP/1.1, or never get to. */
export const DOORS: Readonly<Record<string, Door>> = {
  'nobody listens': {
    verdicts: ['502 upstream_refused', UNTRIED],
    open: openNowhere,
  },
  'a connection is ended (FIN)': plain(RESET, (socket) => socket.end()),
  'a connection is reset (RST)': plain([...RESET, UNTRIED], (socket) => socket.resetAndDestroy()),
  'a connection is met with silence': plain(['504 upstream_timeout'], (socket) => socket.pause()),
  'a connection is met with garbage': plain(['502 bad_upstream_response', ...RESET], (socket) =>
    socket.end('\0\x01garbage\r\n\r\n'),
  ),
  // The next request on that connection gets none.
  'a response comes before the request': plain(
    [...COMPLETE, '502 bad_upstream_response', '504 upstream_timeout'],
    (socket) => socket.write(RESPONSE),
  ),
  'TLS: ended at the first byte': untold([...RESET, '502 tls_error'], (socket) => socket.end()),
  'TLS: reset in the handshake': untold(RESET, (socket) =>
    socket.once('data', () => socket.resetAndDestroy()),
  ),
  'TLS: ended in the handshake': untold([...RESET, '502 tls_error'], (socket) =>
    socket.once('data', () => socket.end()),
  ),
  'TLS: answered in clear text': untold(['502 tls_error'], (socket) =>
    socket.once('data', () => socket.end(RESPONSE)),
  ),
  'TLS: silent': untold(['504 connect_timeout'], (socket) => socket.pause()),
  'TLS: a certificate for another host': {
    ...secure(['502 tls_error', UNTRIED], (socket) => socket.end(RESPONSE), ['other.example']),
  },
  'TLS: as it should be': secure(COMPLETE, (socket) => socket.end(RESPONSE)),
  'TLS: a length cut off': cutOff('Content-Length: 100\r\n', withAlert),
  'TLS: a length cut off without an alert': cutOff('Content-Length: 100\r\n', withoutAlert),
  'TLS: chunks cut off without an alert': cutOff('Transfer-Encoding: chunked\r\n', withoutAlert),
  'TLS: up to the close': cutOff('', withAlert),
  // RFC 9112, section 9.8, would have this one broken off. Node doesn't tell whether the alert came.
  'TLS: up to the close without an alert': cutOff('', withoutAlert),
};
