import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect } from 'node:net';
import type { Verdicts } from './client.ts';
import type { FaultExchange } from './exchange.ts';
import type { Mark } from './script.ts';

/** What a client of HTTP/2 does; where it is no more than frames, a script of them is played instead. */
export interface Http2Plan {
  readonly method: string;
  /** `cut`: some of it comes, and no end. `short`: less than its head says. */
  readonly content: 'none' | 'whole' | 'cut' | 'short';
  /** Requests at once, on one connection. */
  readonly streams: number;
  /** Opens no window for content until the upstream rests. */
  readonly isSlow?: boolean;
  readonly leaves?: { readonly when: readonly Mark[]; readonly how: 'stream' | 'goaway' | 'end' | 'reset' };
}

const BODY = 'h'.repeat(300);

/** @returns what each stream came to; `gone` alone where the client left of its own accord */
export async function visitHttp2(origin: URL, exchange: FaultExchange, plan: Http2Plan): Promise<Verdicts> {
  const socket = connect({ host: origin.hostname, port: Number(origin.port) });
  const session = connectHttp2(origin, {
    createConnection: () => socket,
    settings: plan.isSlow === true ? { initialWindowSize: 0 } : {},
  });
  const closed = new Promise<void>((resolve) => session.once('close', resolve));
  session.on('error', () => {});
  const streams = Array.from({ length: plan.streams }, () => ask(session, exchange, plan));
  const verdicts = streams.map((stream) => toVerdict(stream, exchange));
  if (plan.isSlow === true) {
    await exchange.marks.reached(['upstream rests', 'client has the head']);
    if (!session.destroyed) session.settings({ initialWindowSize: 65_535 });
  }
  if (plan.leaves !== undefined) {
    const { when, how } = plan.leaves;
    await Promise.race([exchange.marks.reached(when), closed]);
    for (const stream of streams) if (how === 'stream') stream.close(constants.NGHTTP2_CANCEL);
    if (how === 'goaway' && !session.destroyed) session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (how === 'reset') socket.resetAndDestroy();
    if (how === 'end') socket.destroy();
  }
  const seen = await Promise.all(verdicts);
  session.destroy();
  await closed;
  return plan.leaves === undefined ? seen : ['gone'];
}

function ask(session: ClientHttp2Session, { id }: FaultExchange, plan: Http2Plan): ClientHttp2Stream {
  const { method, content } = plan;
  const length = content === 'none' ? {} : { 'content-length': BODY.length };
  const stream = session.request(
    { ':method': method, ':path': `/${id}`, ':authority': 'localhost', ...length },
    { endStream: content === 'none' },
  );
  stream.on('error', () => {});
  if (content === 'whole') stream.end(BODY);
  if (content === 'cut') stream.write(BODY.slice(1));
  if (content === 'short') stream.end(BODY.slice(1));
  return stream;
}

async function toVerdict(stream: ClientHttp2Stream, exchange: FaultExchange): Promise<string> {
  let head: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
  let hasEnded = false;
  stream.on('response', (headers) => {
    head = headers;
    exchange.marks.reach('client has the head');
  });
  stream.on('end', () => {
    hasEnded = !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR;
    // Whoever has its answer sends no more.
    if (!stream.writableEnded) stream.close();
  });
  stream.resume();
  if (!stream.destroyed) await new Promise<void>((resolve) => stream.once('close', resolve));
  const status = head[':status'];
  if (status === undefined) return 'closed';
  const isComplete = hasEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR;
  const code = /error=\S+; details="(\w+)"/.exec(String(head['proxy-status'] ?? ''))?.[1];
  if (code !== undefined) return `${status} ${code}${isComplete ? '' : ' broken'}`;
  const whose = head['x-exchange'];
  if (whose === undefined) return `${status} of nobody${isComplete ? '' : ' broken'}`;
  if (whose !== exchange.id) return `${status} of another exchange`;
  return `${status} ${isComplete ? 'complete' : 'broken'}`;
}
