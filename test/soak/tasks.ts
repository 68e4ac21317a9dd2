import { createRandom, type Random } from '../faults/random.ts';
import { type ExchangePlan, MOST_BYTES, PLACES, PLAIN } from './exchange-plan.ts';

/** When a client leaves that doesn't wait for its response. */
export interface Leaving {
  readonly when: 'in the head' | 'in the upload' | 'before the response' | 'in the response';
  /** How long after what it has sent; in a response at once. */
  readonly afterMs: number;
  /** Resets the connection, where it has one to itself, in place of closing it. */
  readonly isReset: boolean;
}

/** What one request is about. */
export interface Task {
  readonly name: string;
  readonly method: string;
  readonly plan: ExchangePlan;
  /** The request's content goes in chunks, in place of a length. */
  readonly isChunked: boolean;
  readonly leaves: Leaving | undefined;
}

type Draft = Partial<Omit<Task, 'plan'>> & Partial<ExchangePlan>;

const KILOBYTE = 1_024;

/** So many of a thousand requests are like that. */
const KINDS: readonly {
  readonly share: number;
  readonly name: string;
  readonly draw: (r: Random) => Draft;
}[] = [
  { share: 690, name: 'small', draw: (r) => ({ bytes: r.between(0, 2 * KILOBYTE) }) },
  { share: 40, name: 'medium', draw: (r) => ({ bytes: r.between(8, 64) * KILOBYTE }) },
  { share: 5, name: 'large', draw: (r) => ({ bytes: r.between(100_000, MOST_BYTES) }) },
  { share: 15, name: 'head only', draw: (r) => ({ method: 'HEAD', bytes: r.between(0, 9_999) }) },
  {
    share: 20,
    name: 'other status',
    draw: (r) => ({ status: r.pick([201, 204, 206, 404, 409, 418, 422, 500]) }),
  },
  { share: 5, name: 'last of its connection', draw: () => ({ isLast: true }) },
  { share: 140, name: 'upload', draw: (r) => upload(r.between(0, 4 * KILOBYTE), r) },
  { share: 8, name: 'large upload', draw: (r) => upload(r.between(32_000, 300_000), r) },
  {
    share: 40,
    name: 'upload in chunks',
    draw: (r) => ({ ...upload(r.between(1, 32_000), r), isChunked: true }),
  },
  {
    share: 12,
    name: 'event stream',
    draw: (r) => ({ pieces: r.between(2, 12), gapMs: r.between(0, 8), bytes: r.between(200, 20_000) }),
  },
  { share: 3, name: 'slow', draw: (r) => ({ waitMs: r.between(50, 900) }) },
  { share: 2, name: 'leaves in the head', draw: (r) => leave('in the head', r) },
  {
    share: 8,
    name: 'leaves before the response',
    draw: (r) => ({ ...leave('before the response', r), waitMs: r.pick([0, 5, 100]) }),
  },
  {
    share: 5,
    name: 'leaves in the response',
    draw: (r) => ({ ...leave('in the response', r), bytes: r.between(100_000, MOST_BYTES) }),
  },
  {
    share: 3,
    name: 'leaves in an event stream',
    draw: (r) => ({ ...leave('in the response', r), pieces: 10, bytes: 9_999, gapMs: r.between(1, 10) }),
  },
  {
    share: 6,
    name: 'leaves in the upload',
    draw: (r) => ({
      ...leave('in the upload', r),
      ...upload(r.between(20_000, 200_000), r),
      isChunked: r.next() < 0.5,
    }),
  },
];

const upload = (sentBytes: number, random: Random): Draft => ({
  method: random.pick(['POST', 'PUT']),
  sentAt: random.between(0, PLACES - 1),
  sentBytes,
});

const leave = (when: Leaving['when'], random: Random): Draft => ({
  leaves: { when, afterMs: random.pick([0, 0, 1, 5, 30]), isReset: random.next() < 0.5 },
});

const SHARES = KINDS.reduce((sum, { share }) => sum + share, 0);

/** The request of that number: always the same for a seed and these routes. */
export function chooseTask(seed: number, number: number, routes: readonly string[]): Task {
  // Neighbours are not to be alike.
  const random = createRandom(Math.imul(seed, 0x9e3779b1) + Math.imul(number, 0x85ebca6b));
  let left = random.next() * SHARES;
  const kind = KINDS.find(({ share }) => {
    left -= share;
    return left < 0;
  });
  const { name = 'small', draw } = kind ?? {};
  const { method = 'GET', isChunked = false, leaves, ...plan } = draw?.(random) ?? {};
  return {
    name,
    method,
    isChunked,
    leaves,
    plan: {
      ...PLAIN,
      route: random.pick(routes),
      number,
      at: random.between(0, PLACES - 1),
      bytes: random.between(0, 999),
      ...plan,
    },
  };
}
