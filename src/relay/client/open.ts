import type { Server } from 'node:net';
import type { ListenAddress, UnixAddress } from '../../config/config.ts';
import { ProxyError } from '../../errors.ts';
import { bindTcp, bindUnix } from './bind.ts';

/** What can be bound to an address. */
export interface Bindable {
  readonly server: Server;
  bound(): { readonly address: ListenAddress | UnixAddress };
  close(deadlineMs: number): Promise<void>;
}

/**
 * Binds one for an address, or two for `localhost`, which stands for both loopback families (R70): 127.0.0.1, and ::1 on the same
 * port where the machine has it.
 * @param create may be called more often than that; what it made and isn't returned is bound to nothing
 * @throws ProxyError `address_in_use`, `address_unavailable`
 */
export async function open<B extends Bindable>(
  address: ListenAddress | UnixAddress,
  create: () => B,
): Promise<readonly B[]> {
  if ('host' in address && address.host === 'localhost') return openLoopback(address.port, create);
  const door = create();
  if ('path' in address) await bindUnix(door.server, address);
  else await bindTcp(door.server, address);
  return [door];
}

/** How often a free port that only one family has free is given back and another one asked for. */
const PORT_TRIES = 10;

async function openLoopback<B extends Bindable>(port: number, create: () => B): Promise<readonly B[]> {
  for (let tries = 1; ; tries += 1) {
    const [v4, v6] = [create(), create()];
    await bindTcp(v4.server, { host: '127.0.0.1', port });
    const { address } = v4.bound();
    const bound = 'port' in address ? address.port : port;
    try {
      await bindTcp(v6.server, { host: '::1', port: bound });
      return [v4, v6];
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      if (error.code === 'address_unavailable') return [v4];
      await v4.close(0);
      if (port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}
