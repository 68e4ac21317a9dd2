import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doSideBySide } from '../../src/discovery/side-by-side.ts';
import { settle } from '../support/fake-clock.ts';

/** Work that goes on until it is told to end. */
function createWork(): {
  readonly open: Map<number, (fail?: boolean) => void>;
  work(item: number): Promise<string>;
} {
  const open = new Map<number, (fail?: boolean) => void>();
  return {
    open,
    work: (item) =>
      new Promise((resolve, reject) => {
        open.set(item, (fail = false) => {
          open.delete(item);
          if (fail) reject(new Error(`${item}`));
          else resolve(`done ${item}`);
        });
      }),
  };
}

test('never more than so many at once, and the results in the order of the items', async () => {
  const { open, work } = createWork();
  const all = doSideBySide([0, 1, 2, 3, 4], 2, work);
  assert.deepEqual([...open.keys()], [0, 1]);
  open.get(1)?.();
  await settle();
  assert.deepEqual([...open.keys()], [0, 2]);
  for (const item of [2, 3, 4]) {
    open.get(item)?.();
    await settle();
  }
  assert.deepEqual([...open.keys()], [0]);
  open.get(0)?.();
  assert.deepEqual(await all, ['done 0', 'done 1', 'done 2', 'done 3', 'done 4']);
  assert.deepEqual(await doSideBySide([], 2, work), []);
});

test('nothing is begun after a failure', async () => {
  const { open, work } = createWork();
  const all = assert.rejects(doSideBySide([0, 1, 2, 3], 2, work), /^Error: 1$/);
  open.get(1)?.(true);
  await all;
  open.get(0)?.();
  await settle();
  assert.deepEqual([...open.keys()], []);
});
