import { isIPv4 } from 'node:net';

/**
 * Whether a host can only mean this machine: `localhost`, 127.0.0.0/8, `::1`, with or without the brackets a URL puts
 * around it; in lower case. Not so `*.localhost`: outside browsers a name server may be asked for it.
 */
export function isLoopbackHost(host: string): boolean {
  if (host === 'localhost' || host === '::1' || host === '[::1]') return true;
  return host.startsWith('127.') && isIPv4(host);
}
