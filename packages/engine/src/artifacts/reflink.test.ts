import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { diskCopiesIn } from './reflink.ts';
import { scratchFolder } from './testing/scratch.ts';

test('whether copies share their blocks is what cp finds too, and nothing is left', async () => {
  await using scratch = await scratchFolder();
  const before = await readdir(scratch.folder);
  const { byReference, fileSystem } = await diskCopiesIn(scratch.folder);
  assert.deepEqual(await readdir(scratch.folder), before);
  const file = join(scratch.folder, 'file');
  execFileSync('dd', ['if=/dev/urandom', `of=${file}`, 'bs=64k', 'count=1', 'status=none']);
  const shared = (): boolean => {
    try {
      execFileSync('cp', ['--reflink=always', file, `${file}.copy`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  assert.equal(byReference, shared());
  assert.ok(fileSystem === null || /^\w+$/.test(fileSystem));
});

test('a folder that cannot be written to is an error, and no answer', async () => {
  await assert.rejects(diskCopiesIn('/proc/self'));
});
