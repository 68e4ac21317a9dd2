/**
 * Whether a host, as the `hostname` of a URL, is this machine. Not so `*.localhost`: outside browsers a name server may
 * be asked for it.
 */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
