import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connectTo, readUntil } from './sockets.ts';

/** A handshake as a browser sends it, with these header lines besides. */
export function handshake(target = '/', lines = '', upgrade = 'websocket'): string {
  return (
    `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n` +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${lines}\r\n`
  );
}

/** The answer to that. */
export const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

/** What a raw upstream does that gives this answer to one handshake. */
export function answering(answer: string, then: (socket: Socket, head: string) => void = () => {}) {
  return (socket: Socket): void => {
    readUntil(socket, '\r\n\r\n').then(
      (head) => {
        socket.write(answer, 'latin1');
        then(socket, head);
      },
      () => {},
    );
  };
}

/** A client's socket, destroyed after the test. Its errors are the test's business only if it listens. */
export function openClient(t: TestContext, url: string): Socket {
  const socket = connectTo(url).on('error', () => {});
  t.after(() => socket.destroy());
  return socket;
}

/** A client's socket after a handshake that the upstream has accepted. */
export async function openWebSocket(t: TestContext, url: string): Promise<Socket> {
  const socket = openClient(t, url);
  socket.write(handshake());
  const head = await readUntil(socket, '\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 101 /);
  return socket;
}

/** Resolves once a socket is closed, by a reset as well. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
