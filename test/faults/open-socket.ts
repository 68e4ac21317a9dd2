import type { FaultExchange } from './exchange.ts';
import type { Peer, Script, Step } from './script.ts';

/** What becomes of the bytes that two sides send through an open WebSocket: each must arrive as it was sent, up to where it breaks off. */

/** Steps that may take bytes along which were sent before. */
const RUINOUS: ReadonlySet<Step['kind']> = new Set(['reset', 'destroy']);
const HEAD_END = '\r\n\r\n';

/** What a client's script sends behind its handshake. */
export function toClientText(script: Script): string {
  return behindHead(toText(script), 0);
}

/** What an upstream's script sends behind its 101, if it comes to that. */
export function toUpstreamText(script: Script): string {
  const text = toText(script);
  return behindHead(text, text.indexOf('HTTP/1.1 101 '));
}

/** Whether an upstream ends the connection itself, in whatever way. */
export function isClosedByUpstream(script: Script): boolean {
  return !script.some(({ kind }) => kind === 'silence');
}

/**
 * What a client saw of an open socket.
 * @param hasEnded false: it was reset
 */
export function toOpenVerdict(exchange: FaultExchange, opened: string, hasEnded: boolean): string {
  const sent = toUpstreamText(exchange.upstreamScript);
  if (!sent.startsWith(opened)) return '101 with bytes that the upstream did not send';
  if (!hasEnded) return '101 broken';
  return opened === sent ? '101 complete' : `101 ended ${sent.length - opened.length} bytes early`;
}

/** Watches that nothing reaches an upstream behind a handshake before it has switched. */
export function watchEarlyBytes({ marks, complaints }: FaultExchange, peer: Peer): void {
  const look = (): void => {
    if (peer.received !== '' && !marks.has('upstream switches'))
      complaints.push('bytes for the open socket came before it was open');
  };
  look();
  peer.socket.on('data', look);
}

/** Looks at what came through the open socket once that is closed. */
export function complainOfLoss(exchange: FaultExchange, { received }: Peer): void {
  const { marks, clientScript, upstreamScript, complaints } = exchange;
  const sent = toClientText(clientScript);
  if (!sent.startsWith(received)) complaints.push('bytes came that the client did not send');
  if (received === sent || !marks.has('upstream switches')) return;
  const isRuined = [...clientScript, ...upstreamScript].some(({ kind }) => RUINOUS.has(kind));
  // Only who ends its direction waits for what it sent to arrive.
  if (!isRuined && clientScript.at(-1)?.kind === 'end' && marks.has('client has the head'))
    complaints.push(`the last ${sent.length - received.length} bytes of the client did not come`);
}

function toText(script: Script): string {
  return script.map((step) => (step.kind === 'send' || step.kind === 'trickle' ? step.text : '')).join('');
}

function behindHead(text: string, from: number): string {
  const at = from === -1 ? -1 : text.indexOf(HEAD_END, from);
  return at === -1 ? '' : text.slice(at + HEAD_END.length);
}
