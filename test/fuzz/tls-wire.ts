import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/**
 * A connection for TLS to be spoken on, that can be reset under it at any moment: Node keeps a connection that it was given itself open
 * when that is reset, and turns in circles over it.
 */
export function toWire(connection: Socket): Duplex {
  const wire = new Duplex({
    read: () => {
      connection.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      if (connection.writable) connection.write(chunk, () => done());
      else done();
    },
    final: (done) => {
      connection.end();
      done();
    },
  });
  wire.on('error', () => {});
  connection.on('data', (chunk: Buffer) => {
    if (!wire.push(chunk)) connection.pause();
  });
  connection.on('end', () => wire.push(null));
  connection.on('close', () => wire.destroy());
  return wire;
}
