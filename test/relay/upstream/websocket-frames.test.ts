import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameFollower, toGoingAwayFrame } from '../../../src/relay/upstream/websocket-frames.ts';

/** A frame as RFC 6455, section 5.2, has it. */
function toFrame(opcode: number, length: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const head =
    length < 126
      ? [opcode, mask | length]
      : length < 65_536
        ? [opcode, mask | 126, length >> 8, length & 0xff]
        : [opcode, mask | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff];
  // What is in it looks like heads.
  return Buffer.concat([
    Buffer.from(head),
    isMasked ? Buffer.alloc(4, 0x88) : Buffer.alloc(0),
    Buffer.alloc(length, 0x88),
  ]);
}

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0x01, 0x81, 0x82, 0x80, 0x00, 0x89, 0xc1),
    length: fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_000),
    isMasked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

test('R65: however its bytes are cut up, a WebSocket may end between two frames and nowhere else', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 8 }), (described, cuts) => {
      const each = described.map(({ opcode, length, isMasked }) => toFrame(opcode, length, isMasked));
      const whole = Buffer.concat(each);
      const ends = new Set<number>([0]);
      let end = 0;
      for (const frame of each) {
        end += frame.length;
        ends.add(end);
      }
      // Near the ends is where it matters.
      const near = [...ends].flatMap((at) => [at - 1, at, at + 1, at + 2]);
      const at = [...cuts.map((cut) => cut % (whole.length + 1)), ...near, whole.length]
        .filter((offset) => offset >= 0 && offset <= whole.length)
        .toSorted((a, b) => a - b);
      const follower = new FrameFollower();
      let from = 0;
      for (const to of at) {
        follower.read(whole.subarray(from, to));
        from = to;
        assert.equal(follower.mayEnd, ends.has(to), `at ${to} of ${whole.length}`);
        assert.equal(follower.hasClose, false);
      }
    }),
    { numRuns: 200 },
  );
});

test('R65: behind a close frame nothing may be sent, from its first whole head on', () => {
  const follower = new FrameFollower();
  follower.read(Buffer.from([0x88]));
  assert.equal(follower.mayEnd, false);
  follower.read(Buffer.from([0x00]));
  assert.deepEqual([follower.mayEnd, follower.hasClose], [false, true]);
});

test('R65: what we say is 1001, masked as a client has to and in clear as a server has to', () => {
  assert.equal(toGoingAwayFrame(false).toString('hex'), '880203e9');
  const masked = toGoingAwayFrame(true);
  assert.equal(masked.subarray(0, 2).toString('hex'), '8882');
  const [key, payload] = [masked.subarray(2, 6), masked.subarray(6)];
  assert.equal(Buffer.from(payload.map((byte, i) => byte ^ (key[i] as number))).readUInt16BE(), 1001);
});
