import type { Socket } from 'node:net';
import { breakOff } from '../break-off.ts';
import { FrameFollower, toGoingAwayFrame } from './websocket-frames.ts';

/**
 * Follows the frames between two sockets that have just been piped into each other: not earlier, as who listens has data flow, and not
 * later, as every byte counts.
 * @returns takes leave of both: 1001 where a frame may begin, a break where one is half relayed. Where either has said its goodbye
 *   already, the two are left to it.
 */
export function prepareFarewell(client: Socket, upstream: Socket): () => void {
  const toClient = new FrameFollower();
  const toUpstream = new FrameFollower();
  upstream.on('data', (chunk: Buffer) => toClient.read(chunk));
  client.on('data', (chunk: Buffer) => toUpstream.read(chunk));
  return () => {
    if (toClient.hasClose || toUpstream.hasClose) return;
    upstream.unpipe(client);
    client.unpipe(upstream);
    endWith(client, toClient, false);
    endWith(upstream, toUpstream, true);
  };
}

function endWith(socket: Socket, follower: FrameFollower, isMasked: boolean): void {
  if (!follower.mayEnd) {
    breakOff(socket);
    return;
  }
  socket.end(toGoingAwayFrame(isMasked));
  // What still comes is for nobody, but its end has to be seen.
  socket.resume();
}
