import { isIPv4 } from 'node:net';

/**
 * Whether a host can only mean this machine: `localhost`, 127.0.0.0/8, `::1`, with or without the brackets a URL puts
 * around it; in lower case. Not so `*.localhost`: outside browsers a name server may be asked for it.
 */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '[::1]') return true;
  return host.startsWith('127.') && isIPv4(host);
}

/** The port that a URL leads to on this machine; undefined for a URL that leads elsewhere. */
export function findLoopbackPort(url: string): number | undefined {
  const { protocol, hostname, port } = new URL(url);
  if (!isLoopbackHost(hostname)) return undefined;
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}
