import {
  connectRawHttp2,
  Flag,
  Frame,
  isRefusal,
  type RawHttp2Client,
  toFieldBlock,
  toFrame,
} from '../support/http2-frames.ts';
import { type Http2Input, readHttp2Input } from './http2-reader.ts';
import { judge, type Verdict } from './judge.ts';
import { DEADLINE_MS, type Lane } from './stage.ts';

/** `:status 200` as the first field of a block (RFC 7541, appendix A). */
const STATUS_200 = 0x88;

/** Sends a request over a connection of its own, and judges what became of it. */
export async function playHttp2(lane: Lane, input: Http2Input): Promise<Verdict> {
  const complaints: string[] = [];
  const client = connectRawHttp2(lane.url);
  const deadline = setTimeout(() => {
    complaints.push('neither an answer nor an end');
    client.socket.destroy();
  }, DEADLINE_MS);
  client.send(...toFrames(input));
  const isOver = await client.find(isLastFrame).then(
    () => true,
    () => false,
  );
  clearTimeout(deadline);
  complaints.push(...[await lane.ping()].filter((text) => text !== undefined));
  client.socket.destroy();
  await client.closed;
  complaints.push(...[await lane.ping()].filter((text) => text !== undefined));
  const reading = readHttp2Input(input);
  const wasAnswered = isOver && isSuccess(client);
  const seen = await lane.take();
  const { name, outcome } = input;
  const verdict = judge(
    { name, segments: [], outcome },
    { reading, responses: [], seen, complaints },
    lane.routes,
  );
  const isServerOptions = reading.requests[0]?.target === '*';
  const faults = [...verdict.faults];
  if (wasAnswered && verdict.forwarded === 0 && !isServerOptions)
    faults.push('answered with 200, and nothing went upstream');
  if (!wasAnswered && verdict.forwarded > 0) faults.push('forwarded, and not answered');
  return { ...verdict, faults };
}

function isLastFrame(frame: Parameters<typeof isRefusal>[0]): boolean {
  return isRefusal(frame) || (frame.streamId === 1 && (frame.flags & Flag.endStream) !== 0);
}

function isSuccess({ frames }: RawHttp2Client): boolean {
  return frames.some(
    ({ type, streamId, payload }) => type === Frame.headers && streamId === 1 && payload[0] === STATUS_200,
  );
}

function toFrames({ fields, data, trailers, blockBytes }: Http2Input): Buffer[] {
  const frames = toBlockFrames(toFieldBlock(fields), data === undefined ? Flag.endStream : 0, blockBytes);
  for (const [i, piece] of (data ?? []).entries()) {
    const isLast = trailers === undefined && i + 1 === data?.length;
    frames.push(toFrame(Frame.data, isLast ? Flag.endStream : 0, 1, Buffer.from(piece, 'latin1')));
  }
  if (trailers !== undefined)
    frames.push(...toBlockFrames(toFieldBlock(trailers), Flag.endStream, undefined));
  return frames;
}

/** A field block, in CONTINUATION frames where it is cut. */
function toBlockFrames(block: Buffer, flags: number, bytes = block.length): Buffer[] {
  const frames: Buffer[] = [];
  for (let begin = 0; begin < block.length || begin === 0; begin += bytes) {
    const isLast = begin + bytes >= block.length;
    const type = begin === 0 ? Frame.headers : Frame.continuation;
    const all = (isLast ? Flag.endHeaders : 0) | (begin === 0 ? flags : 0);
    frames.push(toFrame(type, all, 1, block.subarray(begin, begin + bytes)));
    if (isLast) break;
  }
  return frames;
}
