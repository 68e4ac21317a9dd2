import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { toContent, toTarget } from './exchange-plan.ts';
import { ResponseStream } from './response-stream.ts';
import type { Leaving, Task } from './tasks.ts';
import { HANG_MS, type Outcome, Reception, type Visitor } from './visit.ts';

/** Pieces of an upload in chunks. */
const CHUNK_BYTES = 7_000;

/** What is under way. */
interface Visit {
  readonly task: Task;
  readonly reception: Reception;
  readonly resolve: (outcome: Outcome) => void;
}

/** One connection of HTTP/1.1 that is kept alive, and made anew after each request that was given up. */
export class Http1Visitor implements Visitor {
  readonly #url: URL;
  readonly #ca: string;
  #socket: Socket | undefined;
  #responses: ResponseStream | undefined;
  #visit: Visit | undefined;

  /** @param ca whose certificate the other end has, in PEM, where the URL says `https:` */
  constructor(url: URL, ca: string) {
    this.#url = url;
    this.#ca = ca;
  }

  visit(task: Task): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#visit = { task, reception: new Reception(task), resolve };
      this.#socket ??= this.#connect();
      this.#responses?.expect(task.method === 'HEAD');
      this.#send(this.#socket, task);
    });
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    await new Promise((resolve) => {
      socket.once('close', resolve);
      socket.destroy();
    });
  }

  #connect(): Socket {
    const { hostname, port, protocol } = this.#url;
    const place = { host: hostname, port: Number(port) };
    const socket =
      protocol === 'https:'
        ? connectTls({ ...place, ca: this.#ca, servername: 'localhost' })
        : connect(place);
    socket.setNoDelay(true);
    socket.setTimeout(HANG_MS, () => socket.destroy(new Error(`nothing for ${HANG_MS} ms: it hangs`)));
    socket.on('data', (chunk: Buffer) => {
      if (this.#socket === socket) this.#responses?.add(chunk);
    });
    let cause = 'the connection was ended';
    socket.on('error', (error) => {
      cause = `the connection broke: ${error.message}`;
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#end({ hasLeft: false, fault: cause });
    });
    this.#responses = new ResponseStream({
      head: (status, find) => this.#visit?.reception.head(status, find),
      data: (chunk) => {
        this.#visit?.reception.data(chunk);
        if (this.#visit?.task.leaves?.when === 'in the response')
          this.#leave(socket, this.#visit.task.leaves);
      },
      end: (mayGoOn) => {
        if (!mayGoOn) this.#forget(socket);
        if (this.#visit === undefined) socket.destroy(new Error('a response that nobody asked for'));
        else this.#end({ hasLeft: false, fault: this.#visit.reception.end() });
      },
      fail: (fault) => socket.destroy(new Error(fault)),
    });
    return socket;
  }

  #send(socket: Socket, task: Task): void {
    const { method, plan, isChunked, leaves } = task;
    const content = plan.sentAt === -1 ? undefined : toContent(plan.sentAt, plan.sentBytes);
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${plan.sentBytes}`;
    const fields = [`Host: ${this.#url.host}`, ...(content === undefined ? [] : [framing])];
    const head = `${method} ${toTarget(plan)} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
    if (leaves?.when === 'in the head') {
      socket.write(head.slice(0, head.length / 2), 'latin1');
    } else {
      const isCut = leaves?.when === 'in the upload';
      socket.cork();
      socket.write(head, 'latin1');
      if (content !== undefined) writeContent(socket, content, isChunked, isCut);
      socket.uncork();
    }
    if (leaves === undefined || leaves.when === 'in the response') return;
    setTimeout(() => this.#leave(socket, leaves), leaves.afterMs);
  }

  #leave(socket: Socket, { isReset }: Leaving): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    // Only a connection in clear text can be reset: TLS has another one underneath.
    if (isReset && this.#url.protocol === 'http:') socket.resetAndDestroy();
    else socket.destroy();
    this.#end({ hasLeft: true, fault: undefined });
  }

  /** The other end closes it, or has. */
  #forget(socket: Socket): void {
    this.#socket = undefined;
    socket.end();
  }

  #end(outcome: Outcome): void {
    const visit = this.#visit;
    this.#visit = undefined;
    visit?.resolve(outcome);
  }
}

/** @param isCut half of it, and no end */
function writeContent(socket: Socket, content: Buffer, isChunked: boolean, isCut: boolean): void {
  const sent = isCut ? content.subarray(0, content.length / 2) : content;
  if (!isChunked) {
    socket.write(sent);
    return;
  }
  for (let at = 0; at < sent.length; at += CHUNK_BYTES) {
    const chunk = sent.subarray(at, at + CHUNK_BYTES);
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    socket.write('\r\n', 'latin1');
  }
  if (!isCut) socket.write('0\r\n\r\n', 'latin1');
}
