import assert from 'node:assert/strict';
import type { Measure } from '../support/process-measure.ts';

const MEGABYTE = 1_048_576;

/** Holds that nothing more is open than before. */
export function holdNothing(before: Measure, after: Measure): void {
  assert.equal(after.files, before.files, 'a file descriptor is left open');
  assert.equal(after.sockets, before.sockets, 'a socket is left open');
  assert.ok(after.timers <= before.timers, `${after.timers - before.timers} timers are left running`);
}

/**
 * Memory. Heap and buffers have to be level. What the process has of the system says less: with those level it ends between 200 and 330 MB,
 * after 34,000 exchanges no more than after 12,000, with one arena of the allocator (MALLOC_ARENA_MAX) as with many. It is what was
 * needed at the busiest moment, in pieces that can't be given back; so that is only bounded.
 */
export function holdLevel(halfway: Measure, after: Measure): void {
  const isLevel = (key: 'heapBytes' | 'externalBytes'): boolean =>
    after[key] < halfway[key] * 1.1 + 2 * MEGABYTE;
  assert.ok(isLevel('heapBytes'), 'the heap grows with each exchange');
  assert.ok(isLevel('externalBytes'), 'buffers are kept of each exchange');
  assert.ok(
    after.residentBytes < halfway.residentBytes * 1.2 + 100 * MEGABYTE,
    'memory grows with each exchange',
  );
}

/** A measure in words. */
export function say({ files, sockets, timers, heapBytes, externalBytes, residentBytes }: Measure): string {
  const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
  return `${files} files, ${sockets} sockets, ${timers} timers, heap ${megabytes(heapBytes)}, external ${megabytes(externalBytes)}, resident ${megabytes(residentBytes)}`;
}
