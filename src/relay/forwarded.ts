import type { ForwardedMode } from '../config/config.ts';

/** What is told to an upstream of the request that came to the proxy. */
export interface ForwardedFacts {
  /** The client's address; empty where it has none (a Unix socket). */
  readonly peer: string;
  /** `Host` as the client sent it. */
  readonly host: string;
  readonly scheme: 'http' | 'https';
  /** The path cut off the target; `/` or empty when there is none. */
  readonly prefix: string;
}

/** For a client on a Unix socket: it is on this machine. */
const LOCAL_PEER = '127.0.0.1';

/**
 * `X-Forwarded-For`, `-Host`, `-Proto` and `-Prefix`, and `Forwarded` (RFC 7239, section 4), as field lines. In place of the
 * client's own: whoever calls a proxy on loopback is no trusted proxy (R39).
 */
export function toForwardedLines(mode: ForwardedMode, facts: ForwardedFacts): readonly string[] {
  if (mode === 'none') return [];
  const { host, scheme, prefix } = facts;
  const peer = facts.peer === '' ? LOCAL_PEER : facts.peer;
  const lines: string[] = [];
  if (mode !== 'forwarded') {
    lines.push('X-Forwarded-For', peer, 'X-Forwarded-Host', host, 'X-Forwarded-Proto', scheme);
    if (prefix.length > 1) lines.push('X-Forwarded-Prefix', prefix);
  }
  if (mode !== 'x-forwarded') {
    const node = peer.includes(':') ? `"[${peer}]"` : peer;
    lines.push('Forwarded', `for=${node};host="${host}";proto=${scheme}`);
  }
  return lines;
}
