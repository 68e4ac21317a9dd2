import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The response under way on a connection of HTTP/1; undefined when no request waits for one. */
export function responseOn(socket: Duplex): ServerResponse | undefined {
  const { _httpMessage: message } = socket as Duplex & { _httpMessage?: ServerResponse | null };
  return message ?? undefined;
}

/** On a connection that Node hands over: once the requests before have their responses, as a client may have sent several in a row. */
export function awaitTurn(socket: Duplex, run: () => void): void {
  // Node has taken its listeners off. After an error comes 'close', which is listened to.
  socket.on('error', () => {});
  socket.on('drain', () => responseOn(socket)?.emit('drain'));
  onceTurn(socket, undefined, run);
}

/**
 * Once the responses before one are sent, as a client may have sent several requests in a row; at once where there are none. Node knows of
 * no connection of a response whose turn has not come.
 * @param response undefined: once all that are there are sent
 */
export function onceTurn(socket: Duplex, response: ServerResponse | undefined, run: () => void): void {
  const current = responseOn(socket);
  if (current === undefined || current === response) run();
  else current.once('close', () => onceTurn(socket, response, run));
}

/** The last request of each connection that has one. */
const last = new WeakMap<Duplex, IncomingMessage>();

/** Nothing behind this request is served: it may not be what it looks like. */
export function makeLast(request: IncomingMessage): void {
  if (!last.has(request.socket)) last.set(request.socket, request);
}

/** Whether a request is the last one of its connection. */
export function isLast(request: IncomingMessage): boolean {
  return last.get(request.socket) === request;
}

/** Whether a request comes behind the last one: Node reads all that has arrived. */
export function isPastLast(request: IncomingMessage): boolean {
  return last.has(request.socket) && !isLast(request);
}
