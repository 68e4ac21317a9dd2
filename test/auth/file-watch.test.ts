import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileWatch, readFingerprint } from '../../src/auth/file-watch.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock();
  const files = new Map([['a', '1']]);
  const told: string[] = [];
  let paths: () => readonly string[] = () => ['a'];
  let looks = 0;
  let look = async (path: string): Promise<string> => files.get(path) ?? 'ENOENT';
  const watch = new FileWatch({
    clock,
    files: () => paths(),
    fingerprint: (path) => {
      looks += 1;
      return look(path);
    },
    onChange: () => told.push('changed'),
    onSettled: () => told.push('settled'),
  });
  return {
    clock,
    files,
    told,
    watch,
    looks: () => looks,
    list: (next: typeof paths) => {
      paths = next;
    },
    slowDown: (next: typeof look) => {
      look = next;
    },
  };
}

test('a file that changes, vanishes or comes into being is told of within 3 s', async () => {
  const { clock, files, told, watch } = setUp();
  await watch.start();
  await clock.advance(60_000);
  assert.deepEqual(told, []);
  const changes = [() => files.set('a', '2'), () => files.delete('a'), () => files.set('a', '3')];
  for (const change of changes) {
    change();
    told.length = 0;
    await clock.advance(3_000);
    assert.deepEqual(told, ['changed']);
    await clock.advance(60_000);
    assert.deepEqual(told, ['changed', 'settled']);
  }
});

test('a file is settled when it is still the same 2 s later', async () => {
  const { clock, files, told, watch } = setUp();
  await watch.start();
  files.set('a', 'half');
  await clock.advance(3_000);
  files.set('a', 'more');
  await clock.advance(3_000);
  files.set('a', 'all');
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed', 'changed', 'changed']);
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed', 'changed', 'changed', 'settled']);
});

test('what changes before a look is known when the look is over', async () => {
  const { clock, files, told, watch } = setUp();
  await watch.start();
  await clock.advance(250);
  files.set('a', '2');
  await watch.look();
  assert.deepEqual(told, ['changed']);
});

test('a thousand who ask at once share one look, and the next is 250 ms later', async () => {
  const { clock, files, told, watch, looks } = setUp();
  await watch.start();
  await clock.advance(1_000);
  await Promise.all(Array.from({ length: 1000 }, () => watch.look()));
  assert.equal(looks(), 2);
  files.set('a', '2');
  let over = 0;
  for (let caller = 0; caller < 1000; caller += 1) {
    watch.look().then(() => {
      over += 1;
    });
  }
  await clock.advance(249);
  assert.deepEqual([over, looks()], [0, 2]);
  await clock.advance(1);
  assert.deepEqual([over, looks()], [1000, 3]);
  assert.deepEqual(told, ['changed']);
});

test('who asks while a look is under way gets one that begins later', async () => {
  const { clock, files, told, watch, slowDown } = setUp();
  await watch.start();
  await clock.advance(1_000);
  // The file is read at once, and the answer takes its time.
  slowDown(async (path) => {
    const seen = files.get(path) ?? 'ENOENT';
    await clock.wait(300);
    return seen;
  });
  watch.look();
  await settle();
  await clock.advance(280);
  files.set('a', '2');
  watch.look();
  await clock.advance(20);
  assert.deepEqual(told, []);
  await clock.advance(300);
  assert.deepEqual(told, ['changed']);
});

test('a file system that hangs holds nobody up for long, and is not asked again meanwhile', async () => {
  const { clock, files, told, watch, looks, slowDown } = setUp();
  let answer = (): void => {};
  slowDown(
    (path) =>
      new Promise((resolve) => {
        answer = () => resolve(files.get(path) ?? 'ENOENT');
      }),
  );
  let started = false;
  watch.start()?.then(() => {
    started = true;
  });
  await clock.advance(500);
  assert.equal(started, true);
  await clock.advance(60_000);
  assert.equal(looks(), 1);
  let over = false;
  watch.look().then(() => {
    over = true;
  });
  await clock.advance(1_250);
  assert.equal(over, true);
  answer();
  await settle();
  slowDown(async () => 'other');
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed']);
});

test('the files are asked for each time, and one that isn’t known at the moment is no change', async () => {
  const { clock, files, told, watch, list } = setUp();
  await watch.start();
  list(() => {
    throw new Error('not now');
  });
  await clock.advance(10_000);
  await watch.look();
  assert.deepEqual(told, []);
  files.set('b', '1');
  list(() => ['a', 'b']);
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed']);
  list(() => []);
  await clock.advance(6_000);
  assert.deepEqual(told, ['changed', 'changed', 'settled']);
  list(() => ['b']);
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed', 'changed', 'settled', 'changed']);
});

test('where there are no files there is nothing to wait for, until there are', async () => {
  const { clock, told, watch, looks, list } = setUp();
  list(() => []);
  assert.equal(watch.start(), undefined);
  await watch.look();
  await watch.look();
  assert.equal(looks(), 0);
  list(() => ['a']);
  await clock.advance(3_000);
  assert.deepEqual(told, ['changed']);
});

test('a file that is rewritten all the time is told of six times a minute, and its last change is not lost', async () => {
  const { clock, files, told, watch } = setUp();
  await watch.start();
  for (let passedMs = 0; passedMs < 600_000; passedMs += 1_000) {
    files.set('a', `at ${passedMs}`);
    await clock.advance(1_000);
  }
  const changes = told.filter((what) => what === 'changed').length;
  assert.ok(changes >= 50 && changes <= 66, `${changes} in ten minutes`);
  told.length = 0;
  await clock.advance(120_000);
  assert.deepEqual(told, ['changed', 'settled']);
});

test('after close nobody looks, and no timer is left', async () => {
  const { clock, files, told, watch, looks } = setUp();
  await watch.start();
  watch.close();
  files.set('a', '2');
  await watch.look();
  watch.start();
  await clock.advance(60_000);
  assert.deepEqual([looks(), told.length, clock.pending], [1, 0, 0]);
});

test('fingerprints tell real files apart: written, replaced, removed, also when their times are equal', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gbp-watch-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'login.json');
  const then = new Date('2026-01-01T00:00:00Z');
  const seen: string[] = [];
  const note = async (): Promise<void> => {
    assert.equal(await readFingerprint(path), await readFingerprint(path), 'reading changes nothing');
    seen.push(await readFingerprint(path));
  };
  await note();
  await writeFile(path, '{"half":');
  await utimes(path, then, then);
  await note();
  await writeFile(path, '{"half":"whole"}');
  await utimes(path, then, then);
  await note();
  await writeFile(join(folder, 'other'), '{"half":"other"}');
  await utimes(join(folder, 'other'), then, then);
  await rename(join(folder, 'other'), path);
  await note();
  assert.equal(new Set(seen).size, 4);
  await rm(path);
  assert.equal(await readFingerprint(path), 'ENOENT');
  assert.match(await readFingerprint(join(folder, 'no\0name')), /^[A-Z_]+$/);
});
