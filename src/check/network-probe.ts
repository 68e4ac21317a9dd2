import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { dial, toReadyEvent } from '../relay/upstream/dial.ts';
import { openTunnel } from '../relay/upstream/tunnel.ts';

/** What a name server says. */
export type DnsFacts =
  /** The host is an address. */
  | { readonly kind: 'literal' }
  | { readonly kind: 'resolved'; readonly addresses: readonly string[]; readonly durationMs: number }
  | { readonly kind: 'failed'; readonly code: string };

/** What came of connecting. */
export type ConnectionFacts =
  /** `tls` is undefined without TLS. */
  | { readonly kind: 'connected'; readonly durationMs: number; readonly tls: TlsFacts | undefined }
  /** `cause`: what the system, Node or the tunnel threw. */
  | { readonly kind: 'failed'; readonly cause: unknown };

export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly version: string;
  /** Who signed the certificate. */
  readonly issuer: string;
  /** When it ends, in epoch ms; NaN where it doesn't say. */
  readonly validUntilMs: number;
}

export interface NetworkProbe {
  readonly clock: Clock;
  /** Longest wait for a name, and for a connection. */
  readonly timeoutMs: number;
}

/** Asks for the addresses of an origin's host. Never rejects. */
export function resolveHost(origin: URL, { clock, timeoutMs }: NetworkProbe): Promise<DnsFacts> {
  const host = origin.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return Promise.resolve({ kind: 'literal' });
  const startedMs = clock.now().monotonicMs;
  return new Promise((resolve) => {
    const cancel = clock.schedule(timeoutMs, () => resolve({ kind: 'failed', code: 'ETIMEOUT' }));
    lookup(host, { all: true })
      .then(
        (found) => {
          const durationMs = clock.now().monotonicMs - startedMs;
          resolve({ kind: 'resolved', addresses: found.map(({ address }) => address), durationMs });
        },
        (error) => resolve({ kind: 'failed', code: codeOf(error) }),
      )
      .finally(cancel);
  });
}

/** Connects as the relay does, looks at the certificate, and sends nothing. Never rejects. */
export function tryConnection(
  origin: URL,
  forwardProxy: URL | undefined,
  { clock, timeoutMs }: NetworkProbe,
): Promise<ConnectionFacts> {
  const startedMs = clock.now().monotonicMs;
  return new Promise((resolve) => {
    let socket: Socket | undefined;
    const end = (facts: ConnectionFacts): void => {
      cancel();
      socket?.destroy();
      resolve(facts);
    };
    const cancel = clock.schedule(timeoutMs, () => {
      const cause = Object.assign(new Error('no connection in time'), { code: 'CONNECT_TIMEOUT' });
      end({ kind: 'failed', cause });
    });
    const connect = (tunnel?: Socket): void => {
      const dialled = dial(origin, tunnel && { tunnel });
      socket = dialled;
      dialled.once(toReadyEvent(origin), () => {
        const durationMs = clock.now().monotonicMs - startedMs;
        const tls = dialled instanceof TLSSocket ? readTls(dialled) : undefined;
        end({ kind: 'connected', durationMs, tls });
      });
      // Stays: an error that nobody listens to would end the process.
      dialled.on('error', (cause) => end({ kind: 'failed', cause }));
    };
    if (forwardProxy === undefined) connect();
    else {
      const onFailed = (cause: unknown): void => end({ kind: 'failed', cause });
      socket = openTunnel(forwardProxy, origin, { onOpen: connect, onFailed });
    }
  });
}

/** The system's or Node's own name for a fault. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

function readTls(socket: TLSSocket): TlsFacts {
  const certificate: Partial<PeerCertificate> = socket.getPeerCertificate();
  const { O: organization, CN: name } = certificate.issuer ?? {};
  const issuer = [organization, name].flat().filter((part) => part !== undefined);
  return {
    version: socket.getProtocol() ?? 'TLS',
    issuer: issuer.join(', ') || 'an unnamed authority',
    validUntilMs: Date.parse(certificate.valid_to ?? ''),
  };
}
