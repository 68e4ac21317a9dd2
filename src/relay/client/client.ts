import type { Socket } from 'node:net';
import type { Answer } from '../answers.ts';
import type { RequestHead } from '../decide.ts';
import type { FieldLines } from '../field-lines.ts';
import type { BodyLimit, RequestBody } from '../request-body.ts';

/** The client's side of an exchange: its request as it came, and the way its response goes, in whichever version of HTTP. */
export interface Client {
  readonly head: RequestHead;
  /** It waits for `100 Continue` before it sends its content. */
  readonly expectsContinue: boolean;
  /** Its connection, where that can be handed over to another protocol. */
  readonly connection: Socket | undefined;
  /** Of the response sent so far; 0 while there is none. */
  readonly sentStatus: number;
  /** Says who is told; before anything else. */
  listen(listener: ClientListener): void;
  /** The request's content; asked for once at most. `length` is in bytes, undefined where it isn't known: then `limit` counts. */
  openBody(length: number | undefined, limit?: BodyLimit): RequestBody;
  /** Sends a response below 200, if the client understands those. */
  sendInterim(status: number, lines: FieldLines): void;
  /**
   * Sends the head of the final response.
   * @throws where it can't be put into this version of HTTP
   */
  sendHead(head: ClientResponseHead): void;
  /** @returns false when the client doesn't keep up: `onDrain` tells when to go on */
  sendData(chunk: Buffer): boolean;
  /** Ends the response, once all of its content is sent. */
  end(trailers: FieldLines): void;
  /** Sends a whole response of the proxy's own. */
  sendAnswer(answer: Answer): void;
  /** Lets go of `connection`: the response is a 101, and somebody else sends it. */
  handOver(): void;
  /** Breaks a begun response off, so that nobody takes what came for the whole. */
  breakOff(): void;
}

export interface ClientListener {
  /** The response is over, or the connection is gone. */
  onClose(): void;
  onDrain(): void;
}

/** The head of a final response, ready for a client. */
export interface ClientResponseHead {
  readonly status: number;
  /** Empty: the usual one. */
  readonly reason: string;
  readonly lines: string[];
  /** The declared length of the content, in bytes; undefined when there is none. */
  readonly contentLength: number | undefined;
}
