import assert from 'node:assert/strict';
import type { Measure } from '../support/process-measure.ts';

const MEGABYTE = 1_048_576;

/** Holds that nothing more is open than before. */
export function holdNothing(before: Measure, after: Measure): void {
  const more = (key: 'files' | 'sockets' | 'timers'): number => (after[key] ?? 0) - (before[key] ?? 0);
  assert.ok(more('files') <= 0, `${more('files')} file descriptors are left open`);
  assert.ok(more('sockets') <= 0, `${more('sockets')} sockets are left open`);
  assert.ok(more('timers') <= 0, `${more('timers')} timers are left running`);
}

const isAsLarge = (halfway: Measure, after: Measure, key: 'heapBytes' | 'externalBytes'): boolean =>
  after[key] < halfway[key] * 1.1 + 2 * MEGABYTE;

/** Whether heap and buffers are no larger than halfway. */
export function isLevel(halfway: Measure, after: Measure): boolean {
  return isAsLarge(halfway, after, 'heapBytes') && isAsLarge(halfway, after, 'externalBytes');
}

/**
 * Memory. Heap and buffers have to be level. What the process has of the system says less: with those level it ends between 200 and 330 MB,
 * after 34,000 exchanges no more than after 12,000, with one arena of the allocator (MALLOC_ARENA_MAX) as with many. It is what was
 * needed at the busiest moment, in pieces that can't be given back; so that is only bounded.
 */
export function holdLevel(halfway: Measure, after: Measure): void {
  assert.ok(isAsLarge(halfway, after, 'heapBytes'), 'the heap grows with each exchange');
  assert.ok(isAsLarge(halfway, after, 'externalBytes'), 'buffers are kept of each exchange');
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
