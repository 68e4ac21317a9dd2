import { connect, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { type ScriptedUpstream, startServer } from '../faults/upstream.ts';
import type { KeyedCertificate } from '../support/certificates.ts';
import { Flag, Frame, PREFACE, toFieldBlock, toFrame } from '../support/http2-frames.ts';
import { judge } from './arrivals.ts';
import { TOKEN } from './dictionary.ts';
import type { Input, Part } from './inputs.ts';
import { toWire } from './tls-wire.ts';
import { holdsToken } from './token-search.ts';

/** One relay with an upstream of its own, for one input at a time: what arrives there is that input's. */
export interface Lane {
  readonly origin: string;
  /** Plays an input. @returns what was wrong with what came out on either side */
  play(url: string, input: Input): Promise<{ readonly requests: number; readonly fault: string | undefined }>;
  /** From now on the upstream answers as it should. */
  behave(): void;
  /** Closes what its upstream still has open. */
  hangUp(): void;
  close(): Promise<void>;
}

/** How long a client waits that has sent everything: for the first byte, and for more once something came. */
const FIRST_BYTE_MS = 100;
const NEXT_BYTE_MS = 8;

const PROPER: Input['upstream'] = {
  greeting: Buffer.concat([toFrame(Frame.settings, 0, 0), toFrame(Frame.settings, Flag.ack, 0)]),
  http1: toPart('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'),
  http2: toPart(
    Buffer.concat([
      toFrame(Frame.headers, Flag.endHeaders, 1, toFieldBlock([[':status', '200']])),
      toFrame(Frame.data, Flag.endStream, 1, Buffer.from('hi')),
    ]),
  ),
  isHasty: false,
};

function toPart(bytes: string | Buffer): Part {
  return { pieces: [typeof bytes === 'string' ? Buffer.from(bytes) : bytes], ending: 'stays' };
}

/** Opens a lane's upstream, with TLS where it has a certificate for `localhost`. */
export async function openLane(certificate?: KeyedCertificate): Promise<Lane> {
  let answer = PROPER;
  let arrived: Buffer[][] = [];
  const secureContext = certificate && createSecureContext(certificate);
  const upstream: ScriptedUpstream = await startServer((connection) => {
    const chunks: Buffer[] = [];
    arrived.push(chunks);
    const options = { isServer: true, secureContext, ALPNProtocols: ['h2', 'http/1.1'] };
    const socket = secureContext === undefined ? connection : new TLSSocket(toWire(connection), options);
    socket.on('error', () => {});
    void serve(socket, connection, chunks, answer);
  });
  const hangUp = (): void => {
    for (const socket of upstream.sockets) socket.destroy();
  };
  return {
    origin: certificate === undefined ? upstream.origin : toSecure(upstream.origin),
    async play(url, input) {
      answer = input.upstream;
      arrived = [];
      const returned = await visit(url, input);
      hangUp();
      if (holdsToken(returned) && !isTokenContent(input.upstream.http1.pieces))
        return { requests: 0, fault: 'the token came back to the client' };
      const judgements = await Promise.all(arrived.map((chunks) => judge(Buffer.concat(chunks))));
      const requests = judgements.reduce((sum, judgement) => sum + judgement.requests, 0);
      return { requests, fault: judgements.find(({ fault }) => fault !== undefined)?.fault };
    },
    behave() {
      answer = PROPER;
    },
    hangUp,
    close: () => upstream.close(),
  };
}

const toSecure = (origin: string): string => origin.replace('http://127.0.0.1', 'https://localhost');

/** Answers once on a connection, when a request's head is there. */
async function serve(
  socket: Socket,
  wire: Socket,
  chunks: Buffer[],
  answer: Input['upstream'],
): Promise<void> {
  let isGreeted = false;
  let isAnswered = answer.isHasty;
  if (answer.isHasty) await sendPart(socket, answer.http1, wire);
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    if (isAnswered) return;
    const bytes = Buffer.concat(chunks);
    const isHttp2 = bytes.subarray(0, 3).equals(Buffer.from('PRI'));
    if (isHttp2 && !isGreeted) {
      isGreeted = true;
      socket.write(answer.greeting);
    }
    isAnswered = isHttp2 ? hasHeaders(bytes) : bytes.includes('\r\n\r\n');
    if (isAnswered) void sendPart(socket, isHttp2 ? answer.http2 : answer.http1, wire);
  });
}

/** Whether a chunk of an enormous size stands before the token: then that is content, which goes on as it is. */
function isTokenContent(pieces: readonly Buffer[]): boolean {
  const text = Buffer.concat(pieces).toString('latin1');
  const content = text.slice(text.indexOf('\r\n\r\n') + 2);
  const enormous = /\r\n[0-9a-f]{8,}\r\n/i.exec(content);
  return enormous !== null && content.includes(TOKEN, enormous.index);
}

function hasHeaders(bytes: Buffer): boolean {
  for (let at = PREFACE.length; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    if (bytes[at + 3] === Frame.headers) return true;
  return false;
}

/** `wire` is the connection itself, where TLS is spoken on it. */
async function sendPart(socket: Socket, { pieces, ending }: Part, wire = socket): Promise<void> {
  for (const piece of pieces) {
    if (!socket.writable) return;
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (ending === 'ends' && socket.writable) socket.end();
  if (ending === 'resets') wire.resetAndDestroy();
  if (ending === 'closes') wire.destroy();
}

/** Sends a client's part. @returns all that came back */
async function visit(url: string, { client }: Input): Promise<Buffer> {
  const { hostname, port, protocol } = new URL(url);
  const wire = connect({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
  const isSecured = protocol === 'https:' && client.speaks !== 'TLS garbage';
  const ALPNProtocols = client.speaks === 'HTTP/2' ? ['h2', 'http/1.1'] : ['http/1.1'];
  const socket = isSecured
    ? connectTls({ socket: toWire(wire), ALPNProtocols, rejectUnauthorized: false })
    : wire;
  const chunks: Buffer[] = [];
  const closed = new Promise<void>((resolve) => wire.once('close', () => resolve()));
  wire.on('error', () => {});
  socket.on('error', () => {});
  if (client.isDeaf) socket.pause();
  else socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (isSecured)
    await Promise.race([new Promise((resolve) => socket.once('secureConnect', resolve)), closed]);
  await sendPart(socket, client, wire);
  await Promise.race([silence(socket), closed]);
  wire.destroy();
  await closed;
  return Buffer.concat(chunks);
}

/** Resolves once nothing more seems to come. */
function silence(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let patience = setTimeout(resolve, FIRST_BYTE_MS);
    socket.on('data', () => {
      clearTimeout(patience);
      patience = setTimeout(resolve, NEXT_BYTE_MS);
    });
  });
}
