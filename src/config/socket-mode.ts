import { isUnixAddress } from './address.ts';
import type { ListenAddress, ListenerConfig, UnixAddress } from './config.ts';
import { quote, type Refuse } from './issues.ts';
import type { Given } from './layers.ts';

const OCTAL = /^(?:0|0o)?([0-7]{3})$/;
/** Connecting takes the right to write (unix(7)); some systems want the others as well. */
const OTHERS = 0o007;

/** Puts a mode on the address of a unix socket; whoever only listens on a port has none. */
export function parseSocketMode(
  address: ListenAddress | UnixAddress,
  mode: Given<string> | undefined,
): ListenAddress | UnixAddress | undefined {
  if (mode === undefined) return address;
  if (!isUnixAddress(address)) {
    return mode.refuse('Only a unix socket has a mode: a port has no file.', 'Leave `mode` out.');
  }
  const digits = OCTAL.exec(mode.value)?.[1];
  if (digits === undefined) {
    return mode.refuse(
      `${quote(mode.value)} is not the mode of a socket: those are three octal digits.`,
      'Write `mode: "0660"`, for this user and the group of the file.',
    );
  }
  return { ...address, mode: Number.parseInt(digits, 8) };
}

/** A socket that every user of the machine can open asks them for a secret. */
export function refusePublicSocket(
  { address, clientSecret }: ListenerConfig,
  refuse: Refuse | undefined,
): void {
  if (!isUnixAddress(address) || clientSecret !== undefined || ((address.mode ?? 0) & OTHERS) === 0) return;
  refuse?.(
    'With this mode every user of this machine could call your services as you.',
    'Give it a client secret: `clientSecret: env:NAME` (`openssl rand -hex 32` makes one); or let in the group alone: `mode: "0660"`.',
  );
}
