import { connect } from 'node:net';
import type { FaultExchange } from './exchange.ts';
import { ResponseReader } from './response-reader.ts';
import { Peer, play, type Script } from './script.ts';

/** What a client saw, one entry a response: `200 complete`, `200 broken`, `502 upstream_reset`; or what else befell it. */
export type Verdicts = readonly string[];

/** How a client goes about an exchange. */
export interface Visit {
  readonly script: Script;
  /** Responses it waits for. */
  readonly responses: number;
  /** Waits for the proxy to close the connection as well. */
  readonly awaitsClose: boolean;
}

/**
 * Plays a client's script on a new connection, then waits for what it expects.
 * @param origin the proxy's
 * @returns what it saw; `gone` alone where it left of its own accord
 */
export async function visit(origin: URL, exchange: FaultExchange, plan: Visit): Promise<Verdicts> {
  const reader = new ResponseReader(exchange.isHead);
  const socket = connect({ host: origin.hostname, port: Number(origin.port), allowHalfOpen: true });
  let wasReset = false;
  socket.on('error', () => {
    wasReset = true;
  });
  const peer = new Peer(socket, (text) => {
    reader.read(text);
    if (reader.hasHead) exchange.marks.reach('client has the head');
  });
  await play(plan.script, peer, exchange.marks);
  if (plan.script.some(({ kind }) => kind === 'reset' || kind === 'destroy')) return ['gone'];
  const isOver = (): boolean => !plan.awaitsClose && reader.responses.length >= plan.responses;
  const isOpen = await peer.when(() => isOver() || reader.complaint !== undefined);
  // A reset comes right behind the end at times; what is left unread of it doesn't matter.
  if (!isOpen) reader.finish(wasReset);
  socket.destroy();
  await peer.closed;
  return toVerdicts(reader, exchange.id);
}

function toVerdicts({ responses, complaint }: ResponseReader, id: string): Verdicts {
  const verdicts = responses.map(({ status, code, exchange, isComplete }) => {
    if (code !== undefined) return `${status} ${code}${isComplete ? '' : ' broken'}`;
    if (exchange !== id) return `${status} of another exchange`;
    return `${status} ${isComplete ? 'complete' : 'broken'}`;
  });
  if (complaint !== undefined) verdicts.push(complaint);
  return verdicts.length === 0 ? ['closed'] : verdicts;
}
