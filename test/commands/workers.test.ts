import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { readWorkers } from '../../src/commands/workers.ts';

test('one process, unless the flag or else the variable says more', () => {
  assert.equal(readWorkers(undefined, {}), 1);
  assert.equal(readWorkers(undefined, { GBP_WORKERS: '' }), 1);
  assert.equal(readWorkers(undefined, { GBP_WORKERS: '3' }), 3);
  assert.equal(readWorkers('2', { GBP_WORKERS: '3' }), 2);
  assert.equal(readWorkers('auto', {}), availableParallelism());
  assert.equal(readWorkers(undefined, { GBP_WORKERS: 'auto' }), availableParallelism());
});

for (const wrong of ['0', '-1', '1.5', 'many', '', '257', '1e2', ' 2']) {
  test(`"${wrong}" is no number of workers, and which one said so is named`, () => {
    assert.throws(() => readWorkers(wrong, {}), { code: 'usage', message: /^--workers /, hint: /auto/ });
    if (wrong !== '')
      assert.throws(() => readWorkers(undefined, { GBP_WORKERS: wrong }), { message: /^GBP_WORKERS / });
  });
}
