import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { shareTrust } from '../../trust.ts';

/** A TLS session to resume, and a place for the next one. */
export interface SessionSlot {
  current: Buffer | undefined;
}

export interface DialOptions {
  readonly session?: SessionSlot;
  /** An open tunnel to the origin; what is dialled runs inside. */
  readonly tunnel?: Socket;
  /** Protocols to offer over TLS (RFC 7301); HTTP/1.1 unless told otherwise. */
  readonly alpn?: readonly string[];
}

/**
 * Opens a connection to an origin: over TLS for `https:`, where the certificate has to be good for the origin's host
 * whichever way leads there. `toReadyEvent` names the event to wait for before anything is sent.
 */
export function dial(origin: URL, { session, tunnel, alpn = ['http/1.1'] }: DialOptions = {}): Socket {
  const isSecure = origin.protocol === 'https:';
  const host = origin.hostname.replace(/^\[|\]$/g, '');
  const port = toPort(origin);
  if (!isSecure) return connectTcp({ host, port });
  const servername = isIP(host) === 0 ? host : '';
  const resumed = session?.current && { session: session.current };
  // Host and port are not for connecting where there is a tunnel, but still for the certificate.
  const inside = tunnel && { socket: tunnel };
  const socket = connectTls({
    host,
    port,
    servername,
    ALPNProtocols: [...alpn],
    secureContext: shareTrust(),
    // Said aloud, as otherwise the environment is asked with each connection, and it may change after the start.
    rejectUnauthorized: true,
    ...resumed,
    ...inside,
  });
  if (session !== undefined) {
    socket.on('session', (next) => {
      session.current = next;
    });
  }
  return socket;
}

/** Over TLS this comes once the certificate was found good: nothing is written to a stranger. */
export function toReadyEvent(origin: URL): 'connect' | 'secureConnect' {
  return origin.protocol === 'https:' ? 'secureConnect' : 'connect';
}

/** The port of an `http:` or `https:` origin. */
export function toPort(origin: URL): number {
  return Number(origin.port) || (origin.protocol === 'https:' ? 443 : 80);
}
