/** A message as it is on the wire: a flag for compression, its length, the message. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function toFramed(message: Buffer, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export interface FramedMessage {
  readonly isCompressed: boolean;
  readonly content: Buffer;
}

/** The messages of a whole body. */
export function parseFramed(body: Buffer): readonly FramedMessage[] {
  const messages: FramedMessage[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push({ isCompressed: body[at] === 1, content: body.subarray(at + 5, end) });
    at = end;
  }
  return messages;
}
