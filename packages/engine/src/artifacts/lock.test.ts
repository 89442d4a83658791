import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { removeFreeLock, withFreeLock, withLock } from './lock.ts';
import { scratchFolder } from './testing/scratch.ts';

/** Another process that holds the lock until it is killed. */
async function holder(path: string): Promise<{ kill(): Promise<void> }> {
  const program = `
    import { withLock } from ${JSON.stringify(join(import.meta.dirname, 'lock.ts'))};
    await withLock(${JSON.stringify(path)}, {}, () => new Promise((resolve) => { console.log('held'); setTimeout(resolve, 60_000); }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return {
    kill: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

test('one at a time in one process, in whatever order', async () => {
  await using scratch = await scratchFolder();
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await delay(20);
    inside--;
  };
  await Promise.all([1, 2, 3].map(() => withLock(join(scratch.folder, 'lock'), {}, work)));
  assert.equal(most, 1);
});

test('a lock held by another process is waited for, and free once that process is killed', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'lock');
  const other = await holder(path);
  let waited = 0;
  const mine = withLock(path, { onWait: () => waited++ }, () => Promise.resolve('mine'));
  assert.equal(await Promise.race([mine, delay(500, 'waiting')]), 'waiting');
  await other.kill();
  assert.equal(await mine, 'mine');
  assert.equal(waited, 1);
});

test('waiting ends with an abort', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'lock');
  const other = await holder(path);
  await assert.rejects(
    withLock(path, { signal: AbortSignal.timeout(300) }, () => Promise.reject(new Error('ran without the lock'))),
    /abort/i,
  );
  await other.kill();
});

test('a failure inside gives the lock back', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'lock');
  await assert.rejects(
    withLock(path, {}, () => Promise.reject(new Error('broken'))),
    /broken/,
  );
  assert.equal(await withLock(path, {}, () => Promise.resolve(1)), 1);
});

test('a lock that is held is not taken, and its file not removed', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'lock');
  const other = await holder(path);
  assert.equal(await withFreeLock(path, () => Promise.reject(new Error('ran without the lock'))), false);
  assert.equal(await removeFreeLock(path), false);
  assert.ok(existsSync(path));
  await other.kill();
  assert.equal(await removeFreeLock(path), true);
  assert.ok(!existsSync(path));
});

test('a file that is removed under the lock lets in only one of those who wait', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'lock');
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await delay(5);
    inside--;
    await rm(path, { force: true });
  };
  await Promise.all(Array.from({ length: 12 }, () => withLock(path, {}, work)));
  assert.equal(most, 1);
});
