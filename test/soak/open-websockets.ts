import { once } from 'node:events';
import { WebSocket } from 'ws';
import { createRandom, type Random } from '../faults/random.ts';
import { PLACES, toContent } from './exchange-plan.ts';

/** WebSockets that stay open, and talk now and then. */
export interface OpenWebSockets {
  /** Messages that were said and came back. */
  echoes(): number;
  /** Closes all. Resolves once they are. */
  close(): Promise<void>;
}

export interface OpenWebSocketsOptions {
  /** Each is opened at one of these. */
  readonly urls: readonly string[];
  readonly count: number;
  readonly seed: number;
  /** Something that the client did not cause. */
  readonly onFault: (fault: string) => void;
}

const MOST_BYTES = 20_000;
/** Between two messages on one of them. */
const MOST_PAUSE_MS = 1_000;
const HANG_MS = 60_000;

/** @throws what is wrong when one can't be opened */
export async function openWebSockets(options: OpenWebSocketsOptions): Promise<OpenWebSockets> {
  const { urls, count, seed, onFault } = options;
  let echoes = 0;
  let isClosing = false;
  const sockets = await Promise.all(
    Array.from({ length: count }, (_, index) => open(urls[index % urls.length] ?? '')),
  );
  const closed = sockets.map((socket) => once(socket, 'close'));
  const talk = async (socket: WebSocket, random: Random): Promise<void> => {
    socket.on('close', (code: number) => {
      if (!isClosing) onFault(`a WebSocket at ${socket.url} was closed (${code})`);
    });
    while (!isClosing && socket.readyState === WebSocket.OPEN) {
      const fault = await echo(socket, random);
      if (fault === undefined) echoes += 1;
      else if (!isClosing) onFault(`a WebSocket at ${socket.url}: ${fault}`);
      await new Promise((resolve) => setTimeout(resolve, random.between(0, MOST_PAUSE_MS)));
    }
  };
  for (const [index, socket] of sockets.entries()) void talk(socket, createRandom(seed + index));
  return {
    echoes: () => echoes,
    async close() {
      isClosing = true;
      for (const socket of sockets) socket.close();
      await Promise.all(closed);
    },
  };
}

async function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, 'open');
  socket.on('error', () => {});
  return socket;
}

/** @returns what is wrong with what comes back */
function echo(socket: WebSocket, random: Random): Promise<string | undefined> {
  const said = toContent(random.between(0, PLACES - 1), random.between(0, MOST_BYTES));
  return new Promise((resolve) => {
    const end = (fault?: string): void => {
      clearTimeout(hang);
      socket.off('message', onMessage).off('close', onClose);
      resolve(fault);
    };
    const onMessage = (heard: Buffer): void =>
      end(said.equals(heard) ? undefined : 'an echo is another message');
    const onClose = (): void => end('it was closed while a message was under way');
    const hang = setTimeout(() => end(`no echo for ${HANG_MS} ms: it hangs`), HANG_MS);
    socket.once('message', onMessage).once('close', onClose);
    socket.send(said);
  });
}
