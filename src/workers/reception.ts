import { createServer, type Server, type Socket } from 'node:net';
import type { ListenerConfig } from '../config/config.ts';
import { toBound } from '../relay/client/door.ts';
import { PROBE_DELAY_MS } from '../relay/client/http1-server.ts';
import type { ListenerAddress } from '../relay/client/listen.ts';
import { type Bindable, open } from '../relay/client/open.ts';

/** Where connections come in that somebody else serves. */
export interface Reception {
  readonly addresses: readonly ListenerAddress[];
  /** Accepts nothing from now on. */
  close(): void;
}

/**
 * Binds the addresses as `listen` does, reads nothing, and gives each connection away.
 * @param give gets the position of the configured listener that a connection came to
 * @throws ProxyError `address_in_use`, `address_unavailable`
 */
export async function openReception(
  listeners: readonly ListenerConfig[],
  give: (listener: number, socket: Socket) => void,
): Promise<Reception> {
  const addresses: ListenerAddress[] = [];
  const servers: Server[] = [];
  const close = (): void => {
    for (const server of servers) server.close();
  };
  try {
    for (const [position, configured] of listeners.entries()) {
      const isTls = configured.tls !== undefined;
      const create = (): Bindable => {
        const door = createDoor((socket) => give(position, socket));
        servers.push(door.server);
        return door;
      };
      for (const door of await open(configured.address, create))
        addresses.push({ ...door.bound(), isTls, configured, position });
    }
  } catch (error) {
    close();
    throw error;
  }
  return { addresses, close };
}

function createDoor(give: (socket: Socket) => void): Bindable {
  // What is set on a connection here goes with it.
  const server = createServer(
    { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_DELAY_MS },
    give,
  );
  return {
    server,
    bound: () => ({ address: toBound(server.address()) }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
