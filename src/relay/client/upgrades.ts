import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ProxyError } from '../../errors.ts';
import { toErrorAnswer } from '../answers.ts';
import { framingOf, readRequestFacts, upgradeOf } from '../request-head.ts';
import { nextRequestId } from '../request-id.ts';
import { sendLastWords } from './last-words.ts';
import { awaitTurn, isPastLast, makeLast, responseOn } from './pipeline.ts';

/** Milliseconds a client gets to take the last answer before the connection is closed over what it still sends. */
const LINGER_MS = 1_000;

/**
 * Whether a request is for us to switch; any other with an `Upgrade` is served as if it had none (R46), but as the last on its connection: Node
 * drops what it has read behind it, and would take what comes then for the beginning of a request, be it from the midst of one.
 */
export function shouldUpgrade(request: IncomingMessage): boolean {
  const isHandshake = isForUs(request);
  if (!isHandshake) makeLast(request);
  return isHandshake;
}

function isForUs(request: IncomingMessage): boolean {
  try {
    const facts = readRequestFacts(request.rawHeaders);
    return upgradeOf(request.method ?? '', request.httpVersionMinor, facts) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Called for a request that may switch its connection to another protocol.
 * @param release has to be called before the connection is used for that: what the client sent ahead is in there again, unread
 */
export type UpgradeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  connection: Socket,
  release: () => void,
) => void;

/** Takes the requests with an `Upgrade` of a server that was made with `shouldUpgrade` for its `shouldUpgradeCallback`. */
export function handleUpgrades(server: Server, handle: UpgradeHandler): void {
  server.on('upgrade', (request: IncomingMessage, _socket: unknown, head: Buffer) => {
    const { socket } = request;
    // Whoever has said all it has to say may still be told something.
    socket.allowHalfOpen = true;
    // What a client sends ahead of the answer is for the next protocol; it may be waiting for other answers still.
    if (head.length > 0) socket.unshift(head);
    awaitTurn(socket, () => serve(request, handle));
  });
}

function serve(request: IncomingMessage, handle: UpgradeHandler): void {
  const { socket } = request;
  const isUnwanted = socket.readableEnded || isPastLast(request);
  if (isUnwanted) socket.destroySoon();
  if (socket.destroyed || isUnwanted) return;
  // The response before may have left one for the next request.
  socket.setTimeout(0);
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  // As for any request: a client that closes its side before it has its answer is not waiting for one. (Node 22 also
  // shows a reset that comes right behind the handshake as an end.)
  socket.on('end', () => {
    if (responseOn(socket) === response && !response.writableEnded) socket.destroy();
  });
  response.on('finish', () => {
    response.detachSocket(socket);
    sendLastWords(socket, '', LINGER_MS);
  });
  // Before Node 22.21 every request with an `Upgrade` comes here, and its body as if it were the next protocol.
  if (!isForUs(request) && hasBody(request)) refuseBody(response);
  else handle(request, response, socket, readAhead(socket, response));
}

/** What a client may send ahead of the answer before it is made to wait. */
const MAX_AHEAD_BYTES = 65_536;

/**
 * Reads what comes before the answer is there: an end or a reset behind unread bytes would go unnoticed, and the upstream be kept busy for
 * nobody (R41). Once there is another answer than a 101, nobody wants those bytes.
 * @returns stops that, and puts what was read back
 */
function readAhead(socket: Socket, response: ServerResponse): () => void {
  let ahead: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    if (response.headersSent) {
      ahead = [];
      return;
    }
    ahead.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_AHEAD_BYTES) socket.pause();
  };
  socket.on('data', onData);
  return () => {
    socket.off('data', onData).pause();
    if (bytes > 0) socket.unshift(Buffer.concat(ahead));
  };
}

function hasBody(request: IncomingMessage): boolean {
  try {
    return framingOf(readRequestFacts(request.rawHeaders), request.httpVersionMinor) !== 'none';
  } catch {
    // `decide` says what is wrong.
    return false;
  }
}

function refuseBody(response: ServerResponse): void {
  const message = 'A request with a body may not ask for another protocol.';
  const hint = 'Leave out the Upgrade header (curl: --http1.1), or run the proxy on a newer Node.';
  const error = new ProxyError('bad_request', message, { hint });
  const answer = toErrorAnswer(error, { route: undefined, requestId: nextRequestId() });
  response.writeHead(answer.status, answer.lines);
  response.end(answer.body);
}
