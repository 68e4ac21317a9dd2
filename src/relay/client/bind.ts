import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import type { ListenAddress, UnixAddress } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';

/**
 * Connections that may wait to be accepted, as many as Linux allows. Beyond it, those to TCP have to try again after a second, and those to
 * a Unix socket fail at once.
 */
const BACKLOG = 4_096;

/**
 * Binds a server to a TCP address.
 * @throws ProxyError `address_in_use`, `address_unavailable`
 */
export function bindTcp<S extends Server>(server: S, address: ListenAddress): Promise<S> {
  return bind(
    server,
    () => server.listen({ host: address.host, port: address.port, backlog: BACKLOG }),
    (error) => toBindError(error, address),
  );
}

/** What fits into `sun_path`, its NUL left out (unix(7)). Older versions of Node cut off what doesn't, and listen elsewhere. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103;

/**
 * Binds a server to a Unix socket that only this user can connect to (mode 0600), or whom its own mode lets. One that a program
 * which is gone left behind is replaced.
 * @throws ProxyError `address_in_use`, `address_unavailable`
 */
export async function bindUnix<S extends Server>(server: S, { path, mode = 0o600 }: UnixAddress): Promise<S> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new ProxyError('address_unavailable', `Can't listen on unix:${path}: the path is too long.`, {
      hint: `A socket's path may be ${MAX_PATH_BYTES} bytes long here.`,
    });
  }
  await removeLeftover(path);
  const listenPrivately = (): void => {
    // From its first moment on: changing the mode afterwards would leave a gap.
    const before = process.umask(0o777 & ~mode);
    try {
      server.listen({ path, backlog: BACKLOG });
    } finally {
      process.umask(before);
    }
  };
  return bind(server, listenPrivately, (error) => {
    if (error.code === 'EADDRINUSE') return inUse(path, error);
    return new ProxyError('address_unavailable', `Can't listen on unix:${path} (${error.code}).`, {
      hint: 'The folder has to exist, and this user has to be allowed to write to it.',
      cause: error,
    });
  });
}

function bind<S extends Server>(
  server: S,
  listen: () => void,
  explain: (error: NodeJS.ErrnoException) => ProxyError,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(explain(error));
    server.once('error', onError);
    server.once('listening', () => {
      server.off('error', onError);
      // A full table of file descriptors is felt by the one connection that did not fit, not by the process (R53).
      server.on('error', () => {});
      resolve(server);
    });
    listen();
  });
}

async function removeLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ProxyError(
      'address_unavailable',
      `Can't listen on unix:${path}: there is something else of that name.`,
      {
        hint: 'Name another path, or remove what is there.',
      },
    );
  }
  if (await answers(path)) throw inUse(path);
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

function inUse(path: string, cause?: unknown): ProxyError {
  return new ProxyError('address_in_use', `Something else is listening on unix:${path}.`, {
    hint: `lsof ${path}  shows which process it is.`,
    cause,
  });
}

/** Names a failure to bind, the same for every listener of this program. */
export function toBindError(error: NodeJS.ErrnoException, address: ListenAddress): ProxyError {
  const where = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  if (error.code === 'EADDRINUSE') {
    return new ProxyError('address_in_use', `Something else is listening on ${where}.`, {
      hint: `${findListenerCommand(address.port)}  shows which process it is; --port 0 takes any free port.`,
      cause: error,
    });
  }
  return new ProxyError('address_unavailable', `Can't listen on ${where} (${error.code ?? error.message}).`, {
    hint: error.code === 'EACCES' ? 'Ports below 1024 need more rights; use a higher one.' : undefined,
    cause: error,
  });
}

function findListenerCommand(port: number): string {
  if (process.platform === 'win32') return `netstat -ano | findstr :${port}`;
  return process.platform === 'darwin'
    ? `lsof -nP -iTCP:${port} -sTCP:LISTEN`
    : `ss -ltnp 'sport = :${port}'`;
}
