import { Agent, type ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxyServer } from 'http-proxy';
import type { FieldLines } from '../field-lines.ts';
import type { Handshake } from './upgrade.ts';

/** Never connected to: the agent has the connection. */
const TARGET = { protocol: 'http:', host: 'upstream.invalid', port: 80 };

const MAX_HEAD_BYTES = 65_536;

/** Sends a handshake over a connection that stands. */
export type SendHandshake = (handshake: Handshake, upstream: Socket) => ClientRequest;

let loading: Promise<SendHandshake> | undefined;

/** Loaded with the first handshake: most proxies never see one. */
export function loadHttpProxy(): Promise<SendHandshake> {
  loading ??= import('http-proxy').then(({ createProxyServer }) => createSender(createProxyServer()));
  return loading;
}

/**
 * Has http-proxy send handshakes. It is shown a request that says next to nothing, so that none of its rules for targets and
 * headers has anything to decide; what it made of that is replaced before it goes out. One server and one agent serve all:
 * what it makes for a handshake it keeps for as long as the socket is open.
 */
function createSender(server: ProxyServer): SendHandshake {
  /** The one being sent; http-proxy does all of it before `ws` returns. */
  let current: { readonly handshake: Handshake; readonly upstream: Socket; sent?: ClientRequest } | undefined;
  const agent = new Agent({ keepAlive: false });
  agent.createConnection = () => current?.upstream;
  // Heard on the sockets themselves.
  server.on('error', () => {});
  server.on('proxyReqWs', (request) => {
    // Nobody else listens yet, should one of the next lines throw.
    request.on('error', () => {});
    if (current === undefined) return;
    const { target, lines } = current.handshake;
    current.sent = request;
    for (const name of request.getHeaderNames()) request.removeHeader(name);
    for (let i = 0; i + 1 < lines.length; i += 2)
      request.appendHeader(lines[i] as string, lines[i + 1] as string);
    request.path = target;
    // Zero means none are dropped in silence.
    request.maxHeadersCount = 0;
  });
  // What `ssl` holds becomes the options of the request.
  const ssl = { maxHeaderSize: MAX_HEAD_BYTES, insecureHTTPParser: false };

  return (handshake, upstream) => {
    const shown = new IncomingMessage(handshake.client);
    shown.method = 'GET';
    shown.url = '/';
    shown.headers = { upgrade: 'websocket' };
    current = { handshake, upstream };
    try {
      server.ws(shown, handshake.client, Buffer.alloc(0), { target: TARGET, agent, ssl });
      if (current.sent === undefined) throw new Error('http-proxy sent no handshake');
      return current.sent;
    } finally {
      current = undefined;
    }
  };
}

/** Field lines as http-proxy writes them: one property a spelling. */
export function toWrittenHeaders(lines: FieldLines): Record<string, string[]> {
  const headers: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = lines[i] as string;
    headers[name] ??= [];
    headers[name].push(lines[i + 1] as string);
  }
  return headers;
}
