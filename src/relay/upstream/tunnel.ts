import type { Socket } from 'node:net';
import type { ErrorCode } from '../../errors.ts';
import { dial, toPort, toReadyEvent } from './dial.ts';
import { BadResponseError, ResponseParser } from './response-parser.ts';

/** Called back once, by one of the two. */
export interface TunnelListener {
  /** The socket is the upstream's from here on; what came behind the proxy's answer is still to be read from it. */
  onOpen(socket: Socket): void;
  /** Also after the socket was destroyed from outside. */
  onFailed(cause: unknown): void;
}

/** Why a forward proxy opens no tunnel; `message` goes on where its name was said, and quotes nothing. */
export class TunnelError extends Error {
  readonly code: Extract<ErrorCode, `forward_proxy_${string}`>;
  readonly hint: string;

  constructor(code: TunnelError['code'], message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.hint = hint;
  }
}

const MAX_HEAD_BYTES = 16_384;

/**
 * Has a forward proxy open a tunnel to an origin by `CONNECT` (RFC 9110, section 9.3.6). The proxy is told the origin's
 * host and port, and its own user name and password; nothing else.
 * @returns the connection to the proxy, to be destroyed by who gives up
 */
export function openTunnel(forwardProxy: URL, origin: URL, listener: TunnelListener): Socket {
  let isOpen = false;
  let behind: Buffer | undefined;
  let headBytes = 0;
  let cause: unknown;
  const parser = new ResponseParser({
    onInterim() {},
    onHead(status, _reason, lines) {
      if (status >= 300) throw toRefusal(status, lines, forwardProxy, origin);
      isOpen = true;
    },
    onBody(chunk) {
      behind = chunk;
    },
    onComplete() {},
  });
  parser.expect('CONNECT');
  const socket = dial(forwardProxy);

  const readHead = (): void => {
    while (!isOpen && socket.readableLength > 0) {
      if (headBytes === MAX_HEAD_BYTES)
        throw new BadResponseError(`its head is larger than ${MAX_HEAD_BYTES} bytes`);
      const chunk: Buffer = socket.read(Math.min(socket.readableLength, MAX_HEAD_BYTES - headBytes));
      headBytes += chunk.length;
      parser.read(chunk);
    }
  };
  const onReadable = (): void => {
    try {
      readHead();
    } catch (error) {
      cause ??= error;
      socket.destroy();
    }
    if (!isOpen) return;
    socket.off('readable', onReadable);
    if (behind !== undefined) socket.unshift(behind);
    listener.onOpen(socket);
  };
  socket.once(toReadyEvent(forwardProxy), () => socket.write(toConnectHead(forwardProxy, origin), 'latin1'));
  socket.on('readable', onReadable);
  socket.on('error', (error) => {
    cause ??= error;
  });
  socket.on('close', () => {
    if (!isOpen) listener.onFailed(toTunnelError(cause, origin));
  });
  return socket;
}

function toAuthority(origin: URL): string {
  return `${origin.hostname}:${toPort(origin)}`;
}

function toConnectHead({ username, password }: URL, origin: URL): string {
  const authority = toAuthority(origin);
  const head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n`;
  if (username === '' && password === '') return `${head}\r\n`;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `${head}Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n\r\n`;
}

function toRefusal(status: number, lines: readonly string[], forwardProxy: URL, origin: URL): TunnelError {
  const authority = toAuthority(origin);
  if (status === 407) return toAuthenticationError(lines, forwardProxy);
  const message = `answered ${status} instead of opening a tunnel to ${authority}`;
  const orDirect = `or name ${origin.hostname} in NO_PROXY if it needs no proxy.`;
  return status >= 500
    ? new TunnelError('forward_proxy_unavailable', message, `Check that ${authority} is right, ${orDirect}`)
    : new TunnelError('forward_proxy_refused', message, `Have it allow CONNECT to ${authority}, ${orDirect}`);
}

function toAuthenticationError(lines: readonly string[], { protocol, host, username }: URL): TunnelError {
  const challenges = lines.filter(
    (_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === 'proxy-authenticate',
  );
  if (challenges.length > 0 && !/(?:^|[\s,])basic(?:$|[\s,])/i.test(challenges.join(','))) {
    return new TunnelError(
      'forward_proxy_refused',
      'wants a kind of authentication other than Basic (407), which is not supported',
      'Run a local proxy that authenticates to it for you, and name that one in HTTPS_PROXY.',
    );
  }
  return new TunnelError(
    'forward_proxy_refused',
    username === ''
      ? 'wants a user name and password (407)'
      : 'did not accept the user name and password in HTTPS_PROXY (407)',
    `Set HTTPS_PROXY=${protocol}//USER:PASSWORD@${host} with the right ones.`,
  );
}

function toTunnelError(cause: unknown, origin: URL): TunnelError {
  if (cause instanceof TunnelError) return cause;
  return new TunnelError(
    'forward_proxy_unavailable',
    toReason(cause),
    `Check HTTPS_PROXY, or name ${origin.hostname} in NO_PROXY if it needs no proxy.`,
    cause,
  );
}

function toReason(cause: unknown): string {
  if (cause === undefined) return 'closed the connection before it answered';
  if (cause instanceof BadResponseError) return `sent an answer that is not valid HTTP/1.1: ${cause.message}`;
  const code = cause instanceof Error && 'code' in cause ? cause.code : 'unknown fault';
  return `could not be asked (${code})`;
}
