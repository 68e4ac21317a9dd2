import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { ListenerConfig } from '../../config/config.ts';
import type { Load } from '../load.ts';
import { type BoundAddress, createDoor, createLoads, type Door, type DoorOptions } from './door.ts';
import { open } from './open.ts';
import { readTlsMaterial, type TlsMaterial } from './tls-material.ts';

/** What listens for clients, on one or more addresses. */
export interface Listener {
  /** Where it listens. `localhost` is two, where the machine has both families. */
  readonly addresses: readonly ListenerAddress[];
  /** Client connections at once. */
  readonly connections: Pick<Load, 'count' | 'limit'>;
  /**
   * Reads what listeners may change without being closed: certificates and keys, whose files are read again, and how many connections
   * there may be.
   * @param listeners as many as it was made with, at the same addresses
   * @throws ProxyError `config_invalid` for certificates that can't be used
   */
  prepare(listeners: readonly ListenerConfig[], maxConnections: number): Promise<ListenerChange>;
  /**
   * Stops accepting, lets what is in flight finish, and breaks off what is left after `deadlineMs`; WebSockets are told then, and have
   * half a second to answer.
   */
  close(deadlineMs: number): Promise<void>;
}

/** What holds for connections to come, once it is applied. */
export interface ListenerChange {
  /** Names of the certificates that are others now. */
  readonly certFiles: readonly string[];
  apply(): void;
}

export interface ListenerAddress extends BoundAddress {
  readonly configured: ListenerConfig;
  /** Which of the configured listeners that is. */
  readonly position: number;
}

/**
 * Binds the addresses and starts answering: HTTP/1.1 and HTTP/2 on each, told apart by the first bytes, or over TLS by ALPN.
 * `localhost` stands for both loopback families (R70): 127.0.0.1, and ::1 on the same port where the machine has it.
 * @throws ProxyError `address_in_use`, `address_unavailable`, `config_invalid` for certificates that can't be used
 */
export async function listen(listeners: readonly ListenerConfig[], options: DoorOptions): Promise<Listener> {
  const made: Door[] = [];
  const doors = new Map<Door, Pick<ListenerAddress, 'configured' | 'position'>>();
  const materials: (TlsMaterial | undefined)[] = [];
  const loads = createLoads(options.maxConnections);
  try {
    for (const [listener, configured] of listeners.entries()) {
      const { address, tls } = configured;
      const material = tls && (await readTlsMaterial(tls));
      materials.push(material);
      const create = (): Door => {
        const door = createDoor(options, loads, { listener, tls: material });
        made.push(door);
        return door;
      };
      for (const door of await open(address, create)) {
        doors.set(door, { configured, position: listener });
      }
    }
  } catch (error) {
    await Promise.all(made.map((door) => door.close(0)));
    throw error;
  }
  // Those that got no address have timers all the same.
  await Promise.all(made.map((door) => (doors.has(door) ? undefined : door.close(0))));
  return {
    addresses: [...doors].map(([door, configured]) => ({ ...door.bound(), ...configured })),
    connections: loads.connections,
    async prepare(next, maxConnections) {
      const read = await readAllTls(next);
      const isChanged = (index: number): boolean => !isDeepStrictEqual(read[index], materials[index]);
      return {
        certFiles: findChangedCertificates(next, materials, read),
        apply() {
          loads.setLimit(maxConnections);
          for (const [door, { position }] of doors) if (isChanged(position)) door.setTls(read[position]);
          materials.splice(0, materials.length, ...read);
        },
      };
    },
    async close(deadlineMs) {
      await Promise.all([...doors.keys()].map((door) => door.close(deadlineMs)));
    },
  };
}

/** What serves connections that another process has accepted. */
export interface Attendant {
  /** Client connections at once. */
  readonly connections: Pick<Load, 'count' | 'limit'>;
  /** Serves a connection that came to one of the configured listeners. */
  take(listener: number, socket: Socket): void;
  /** For connections to come: what each listener speaks TLS with, and how many there may be. */
  change(materials: readonly (TlsMaterial | undefined)[], maxConnections: number): void;
  /** As `Listener.close`. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Answers as `listen` does, without binding an address.
 * @param materials what each configured listener speaks TLS with; undefined: clear text
 */
export function attend(materials: readonly (TlsMaterial | undefined)[], options: DoorOptions): Attendant {
  const loads = createLoads(options.maxConnections);
  const doors = materials.map((tls, listener) => {
    const door = createDoor(options, loads, { listener, tls });
    door.server.on('error', () => {});
    // Node looks for clients that are too slow from here on.
    door.server.emit('listening');
    return door;
  });
  let inForce = materials;
  return {
    connections: loads.connections,
    take(listener, socket) {
      const door = doors[listener];
      if (door === undefined) socket.destroy();
      else door.take(socket);
    },
    change(next, maxConnections) {
      loads.setLimit(maxConnections);
      for (const [index, door] of doors.entries())
        if (!isDeepStrictEqual(next[index], inForce[index])) door.setTls(next[index]);
      inForce = next;
    },
    async close(deadlineMs) {
      await Promise.all(doors.map((door) => door.close(deadlineMs)));
    },
  };
}

/** Reads what each listener speaks TLS with; undefined: clear text. Throws as `readTlsMaterial`. */
export function readAllTls(
  listeners: readonly ListenerConfig[],
): Promise<readonly (TlsMaterial | undefined)[]> {
  return Promise.all(listeners.map(({ tls }) => tls && readTlsMaterial(tls)));
}

/** The names of the certificates that are others now, of what each listener speaks TLS with before and after. */
export function findChangedCertificates(
  listeners: readonly ListenerConfig[],
  before: readonly (TlsMaterial | undefined)[],
  after: readonly (TlsMaterial | undefined)[],
): readonly string[] {
  return listeners.flatMap(({ tls }, index) =>
    tls === undefined || isDeepStrictEqual(before[index], after[index]) ? [] : [tls.certFile],
  );
}
