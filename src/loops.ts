import type { AssembledRoute } from './assemble.ts';
import { ProxyError } from './errors.ts';
import { findLoopbackPort } from './loopback.ts';
import type { BoundAddress } from './relay/client/door.ts';

/**
 * A route that leads back to this proxy would call itself until something breaks. For ports that are known only now; the
 * configuration refuses those that are written down.
 * @throws ProxyError `config_invalid`
 */
export function refuseLoops(routes: readonly AssembledRoute[], bound: readonly BoundAddress[]): void {
  for (const { config, origin: dialled } of routes) {
    const { upstream } = config;
    const origin = (upstream.kind === 'stand-in' ? upstream.local : undefined) ?? dialled;
    const port = findLoopbackPort(origin);
    if (bound.some(({ address }) => 'port' in address && address.port === port)) {
      throw new ProxyError(
        'config_invalid',
        `Route ${config.name} leads to ${origin}, which is this proxy itself.`,
        { hint: 'Let the service or the proxy use another port.' },
      );
    }
  }
}

/**
 * The same for the admin port (R10): what is for this machine alone is no route's upstream.
 * @throws ProxyError `config_invalid`
 */
export function refuseAdminRoutes(routes: readonly AssembledRoute[], adminPort: number): void {
  const own = routes.find(({ origin }) => findLoopbackPort(origin) === adminPort);
  if (own === undefined) return;
  throw new ProxyError(
    'config_invalid',
    `Route ${own.config.name} leads to ${own.origin}, which is this proxy's own admin port.`,
    { hint: 'Let the service or `admin` use another port.' },
  );
}
