import type { Config, RouteConfig } from '../config/config.ts';
import { describeAddress, findListenerObstacle } from './listeners.ts';
import type { Remarks } from './remarks.ts';

/**
 * Notes everything in a configuration that Envoy does in another way, or not at all.
 * @param served the routes that can be carried over; of the others there is nothing more to say
 */
export function noteSettings(config: Config, served: readonly RouteConfig[], remarks: Remarks): void {
  for (const listener of config.listen) {
    const { address } = listener;
    const obstacle = findListenerObstacle(listener);
    if (obstacle !== undefined) remarks.note(obstacle, describeAddress(address));
    else if ('port' in address && address.port === 0 && address.host === 'localhost')
      remarks.note('listen:any-port', describeAddress(address));
  }
  if (config.admin !== undefined) remarks.note('admin');
  if (config.admin?.tokenFile !== undefined) remarks.note('admin.tokenFile');
  remarks.note('limits.connections');
  remarks.note('limits.requests');
  if (config.log.format !== undefined || config.log.sample < 1 || config.log.level !== 'info')
    remarks.note('log');
  if (config.caFile !== undefined) remarks.note('caFile');
  if (config.google.universeDomain !== 'googleapis.com') remarks.note('universeDomain');
  for (const route of served) {
    noteIdentity(route, config, remarks);
    noteRoute(route, remarks);
  }
}

function noteIdentity({ name, credentials, token }: RouteConfig, config: Config, remarks: Remarks): void {
  if (token.kind !== 'none' && config.credentials[credentials]?.kind === 'adc')
    remarks.note('credentials.kind=adc', name);
}

function noteRoute(route: RouteConfig, remarks: Remarks): void {
  const { name, paths, limits, timeout, localize, presentOrigin, cors, forwarded, retry } = route;
  if (paths !== undefined) remarks.note('routes.paths', name);
  if (limits.bodyBytes !== undefined) remarks.note('routes.limits.body', name);
  if (limits.rate !== undefined) remarks.note('routes.limits.rate', name);
  if (timeout.headersMs !== timeout.idleMs) remarks.note('routes.timeout.headers', name);
  if (localize.redirects) remarks.note('routes.localize.redirects', name);
  if (localize.cookies) remarks.note('routes.localize.cookies', name);
  if (presentOrigin) remarks.note('routes.origin', name);
  if (forwarded === 'forwarded' || forwarded === 'both') remarks.note('routes.forwarded:forwarded', name);
  if (retry) remarks.note('routes.retry', name);
  if (cors.kind !== 'proxy') return;
  if (cors.headers === undefined) remarks.note('routes.cors:any-header', name);
  if (cors.exposeHeaders === undefined) remarks.note('routes.cors:any-response-header', name);
}
