import type { Socket } from 'node:net';
import { breakOff } from '../break-off.ts';

/**
 * Ties the ends of two sockets whose bytes are piped into each other: when one is over, so is the other. What one has sent up to
 * its end still reaches the other; one that broke off before its end is never shown as a clean end. Goes before all other
 * listeners, as a socket that was ended can't be reset any more.
 */
export function tieEnds(one: Socket, other: Socket): void {
  follow(one, other);
  follow(other, one);
}

function follow(leader: Socket, follower: Socket): void {
  const onOver = (): void => {
    if (leader.readableEnded) follower.destroySoon();
    else breakOff(follower);
  };
  leader.prependListener('error', onOver).prependListener('close', onOver);
}
