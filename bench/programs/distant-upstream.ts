/**
 * A service behind a link that takes its time: `{ "onewayMs": 50, "key": …, "cert": … }`; without a certificate it speaks plain
 * HTTP/1.1. What it prints is the address of the near end of the link.
 *
 * The link is a TCP relay that delivers every piece `onewayMs` after it came, either way. The kernel answers a SYN at once, so the
 * round trip of the handshake is charged to what the client says first: it leaves as late as if the client had only been connected
 * a round trip after it asked. Bandwidth and congestion are not imitated; nothing here fills a window.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createLink, type Socket } from 'node:net';
import { answerBody } from './small-answer.ts';
import { listen, readArgument } from './task.ts';

export interface DistantTask {
  readonly onewayMs: number;
  readonly key?: string;
  readonly cert?: string;
}

const { onewayMs, key, cert } = readArgument<DistantTask>();

/** Delivers what `from` says to `to`, late but in order, and nothing of it before `openMs`. */
function deliver(from: Socket, to: Socket, openMs: number): void {
  const underWay: { readonly dueMs: number; arrive(): void }[] = [];
  const deliverDue = (): void => {
    const [next] = underWay;
    if (next === undefined) return;
    const leftMs = next.dueMs - performance.now();
    if (leftMs > 0) {
      setTimeout(deliverDue, Math.ceil(leftMs));
      return;
    }
    underWay.shift();
    next.arrive();
    deliverDue();
  };
  const send = (arrive: () => void): void => {
    underWay.push({ dueMs: Math.max(openMs, performance.now() + onewayMs), arrive });
    if (underWay.length === 1) deliverDue();
  };
  from.on('data', (piece) => send(() => to.write(piece)));
  from.on('end', () => send(() => to.end()));
  from.on('error', () => send(() => to.destroy()));
}

const service = key === undefined || cert === undefined ? createServer() : createTlsServer({ key, cert });
service.on('request', (_request, response) => {
  response.setHeader('Content-Type', 'application/json');
  response.end(answerBody);
});
service.listen({ host: '127.0.0.1', port: 0, backlog: 1024 });
await once(service, 'listening');
const { port } = service.address() as AddressInfo;

listen(
  createLink({ allowHalfOpen: true, noDelay: true }, (near) => {
    const acceptedMs = performance.now();
    const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    deliver(near, far, acceptedMs + 3 * onewayMs);
    deliver(far, near, acceptedMs + 2 * onewayMs);
  }),
);
