import { randomBytes } from 'node:crypto';
import { isUnixAddress, toListenerUrl } from './config/address.ts';
import type { Config, ListenerConfig, RouteConfig } from './config/config.ts';
import type { ClientSecret } from './gate/client-secret.ts';
import { NONCE_BYTES } from './gate/sign-in-code.ts';
import { SIGN_IN_PATH } from './own-path.ts';

/**
 * Makes a link that signs one browser in, once, within ten minutes.
 * @param origin of the proxy, as the browser knows it: cookies belong to a host
 * @param nowMs epoch ms
 */
export function makeSignInLink(
  secret: Pick<ClientSecret, 'makeCode'>,
  origin: string,
  nowMs: number,
): string {
  return `${origin}${SIGN_IN_PATH}?code=${secret.makeCode(randomBytes(NONCE_BYTES), nowMs)}`;
}

/** Where browsers can go to sign in: the origins at which routes are served by a listener. None for a unix socket. */
export function findOrigins(
  { address, tls }: ListenerConfig,
  routes: readonly RouteConfig[],
  { hosts }: Config['gate'],
): readonly string[] {
  if (isUnixAddress(address)) return [];
  const anyHost = routes.some(({ host }) => host === undefined) ? [address.host, ...hosts] : [];
  const names = [...anyHost, ...routes.flatMap(({ host }) => (host === undefined ? [] : [host]))];
  return [...new Set(names.map((host) => toListenerUrl({ host, port: address.port }, tls !== undefined)))];
}
