import { connect } from 'node:net';
import type { FaultExchange } from './exchange.ts';
import { isClosedByUpstream, toOpenVerdict, toUpstreamText } from './open-socket.ts';
import { ResponseReader } from './response-reader.ts';
import { Peer, play, type Step } from './script.ts';

/** What a client saw, one entry a response: `200 complete`, `200 broken`, `502 upstream_reset`; or what else befell it. */
export type Verdicts = readonly string[];

/** How a client goes about an exchange. */
export interface Visit {
  /** Responses it waits for. */
  readonly responses: number;
  /** Waits for the proxy to close the connection as well. */
  readonly awaitsClose: boolean;
}

/** Steps after which there is nothing more to see. */
const LEAVING: ReadonlySet<Step['kind']> = new Set(['reset', 'destroy', 'silence']);

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
  await play(exchange.clientScript, peer, exchange.marks);
  if (exchange.clientScript.some(({ kind }) => LEAVING.has(kind))) return ['gone'];
  // An upstream that stays in an open socket leaves it to the client to go.
  void exchange.marks.reached(['upstream rests']).then(() => peer.wake());
  const isOver = (): boolean =>
    reader.opened === undefined
      ? !plan.awaitsClose && reader.responses.length >= plan.responses
      : isAlone(exchange, reader.opened);
  const isOpen = await peer.when(() => isOver() || reader.complaint !== undefined);
  // A reset comes right behind the end at times; what is left unread of it doesn't matter.
  if (!isOpen || reader.opened !== undefined) reader.finish(wasReset && !socket.readableEnded);
  socket.destroy();
  await peer.closed;
  return toVerdicts(reader, exchange);
}

/** Whether nothing more comes through an open socket, and nobody else closes it. */
function isAlone({ marks, clientScript, upstreamScript }: FaultExchange, opened: string): boolean {
  if (clientScript.at(-1)?.kind === 'end' || isClosedByUpstream(upstreamScript)) return false;
  return marks.has('upstream rests') && opened.length >= toUpstreamText(upstreamScript).length;
}

function toVerdicts({ responses, opened, complaint }: ResponseReader, exchange: FaultExchange): Verdicts {
  const verdicts = responses.map(({ status, code, exchange: whose, isComplete }) => {
    if (code !== undefined) return `${status} ${code}${isComplete ? '' : ' broken'}`;
    if (opened !== undefined && whose === exchange.id) return toOpenVerdict(exchange, opened, isComplete);
    if (whose === undefined) return `${status} of nobody${isComplete ? '' : ' broken'}`;
    if (whose !== exchange.id) return `${status} of another exchange`;
    return `${status} ${isComplete ? 'complete' : 'broken'}`;
  });
  if (complaint !== undefined) verdicts.push(complaint);
  return verdicts.length === 0 ? ['closed'] : verdicts;
}
