import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { toContent, toTarget } from './exchange-plan.ts';
import type { Task } from './tasks.ts';
import { HANG_MS, type Outcome, Reception, type Visitor } from './visit.ts';

/** Requests on one connection; then it is closed, and another one opened. */
const MOST_REQUESTS = 500;

/** Connections of HTTP/2, one at a time for new requests: with prior knowledge in clear text, by ALPN over TLS. */
export class Http2Visitor implements Visitor {
  readonly #url: URL;
  readonly #ca: string;
  /** Those that stand, with how many streams each has. */
  readonly #open = new Map<ClientHttp2Session, number>();
  #session: ClientHttp2Session | undefined;
  #requests = 0;

  /** @param ca whose certificate the other end has, in PEM, where the URL says `https:` */
  constructor(url: URL, ca: string) {
    this.#url = url;
    this.#ca = ca;
  }

  visit(task: Task): Promise<Outcome> {
    const { method, plan, isChunked, leaves } = task;
    const content = plan.sentAt === -1 ? undefined : toContent(plan.sentAt, plan.sentBytes);
    const headers: OutgoingHttpHeaders = {
      ':method': method,
      ':path': toTarget(plan),
      ':authority': this.#url.host,
    };
    if (content !== undefined && !isChunked) headers['content-length'] = content.length;
    const session = this.#findSession();
    this.#count(session, 1);
    const stream = session.request(headers, { endStream: content === undefined });
    const reception = new Reception(task);
    return new Promise((resolve) => {
      let hasLeft = false;
      let isWhole = false;
      let cause = 'the stream was closed';
      const leave = (): void => {
        hasLeft = true;
        stream.close(constants.NGHTTP2_CANCEL);
      };
      stream.setTimeout(HANG_MS, () => stream.destroy(new Error(`nothing for ${HANG_MS} ms: it hangs`)));
      stream.on('response', (fields) => {
        reception.head(Number(fields[':status']), (name) => {
          const value = fields[name];
          return value === undefined ? undefined : String(value);
        });
      });
      stream.on('data', (chunk: Buffer) => {
        reception.data(chunk);
        if (leaves?.when === 'in the response') leave();
      });
      stream.on('end', () => {
        isWhole = true;
      });
      stream.on('error', (error) => {
        cause = `the stream broke: ${error.message}`;
      });
      stream.on('close', () => {
        this.#count(session, -1);
        if (hasLeft) resolve({ hasLeft, fault: undefined });
        else resolve({ hasLeft, fault: isWhole && stream.rstCode === 0 ? reception.end() : cause });
      });
      if (content !== undefined) {
        if (leaves?.when === 'in the upload') stream.write(content.subarray(0, content.length / 2));
        else stream.end(content);
      }
      if (leaves !== undefined && leaves.when !== 'in the response') setTimeout(leave, leaves.afterMs);
    });
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#open.keys()].map(
        (session) =>
          new Promise((resolve) => {
            session.once('close', resolve);
            session.destroy();
          }),
      ),
    );
  }

  #findSession(): ClientHttp2Session {
    this.#requests += 1;
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) {
      if (this.#requests % MOST_REQUESTS !== 0) return known;
    }
    const session = connect(this.#url, { ca: this.#ca, servername: 'localhost' });
    this.#open.set(session, 0);
    session.on('error', () => {});
    session.on('close', () => this.#open.delete(session));
    this.#session = session;
    return session;
  }

  /**
   * One that is no longer used is closed behind its last stream: nghttp2 sends GOAWAY before requests that were made at the same moment, and a
   * server is right to refuse what comes after that.
   */
  #count(session: ClientHttp2Session, change: 1 | -1): void {
    const streams = (this.#open.get(session) ?? 0) + change;
    if (this.#open.has(session)) this.#open.set(session, streams);
    if (streams === 0 && session !== this.#session) session.close();
  }
}
