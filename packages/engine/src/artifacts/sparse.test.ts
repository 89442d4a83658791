import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { copyExtents, copySparse, dataExtents } from './sparse.ts';
import { scratchFolder } from './testing/scratch.ts';
import { makeWritableDisk } from './writable-disk.ts';

const mebibyte = 1024 * 1024;

test('extents are what is not zero, whether allocated or not', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'file');
  await writeFile(path, '');
  await truncate(path, 64 * mebibyte);
  {
    await using file = await open(path, 'r+');
    await file.write(Buffer.alloc(4096, 1), 0, 4096, 0);
    await file.write(Buffer.alloc(8192, 0), 0, 8192, 8 * mebibyte); // allocated, but zero
    await file.write(Buffer.alloc(10_000, 2), 0, 10_000, 16 * mebibyte + 100);
    await file.write(Buffer.from('end'), 0, 3, 64 * mebibyte - 3);
  }
  const extents = await dataExtents(path);
  assert.deepEqual(extents, [
    [0, 4096],
    [16 * mebibyte, 12_288],
    [64 * mebibyte - 4096, 4096],
  ]);

  const copy = join(scratch.folder, 'copy');
  await copyExtents(path, extents, copy, 64 * mebibyte);
  assert.ok((await readFile(copy)).equals(await readFile(path)));
  assert.ok((await stat(copy)).blocks * 512 < mebibyte);
});

test('extents longer than the buffer are copied whole, and a last odd piece too', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'file');
  await writeFile(path, Buffer.alloc(9 * mebibyte + 17, 7));
  const extents = await dataExtents(path);
  assert.deepEqual(extents, [[0, 9 * mebibyte + 17]]);
  await copyExtents(path, extents, join(scratch.folder, 'copy'), 9 * mebibyte + 17);
  assert.ok((await readFile(join(scratch.folder, 'copy'))).equals(await readFile(path)));
});

test('an empty file has no extents', async () => {
  await using scratch = await scratchFolder();
  await writeFile(join(scratch.folder, 'file'), '');
  assert.deepEqual(await dataExtents(join(scratch.folder, 'file')), []);
});

test('a copy never replaces what is there', async () => {
  await using scratch = await scratchFolder();
  const [path, there] = [join(scratch.folder, 'file'), join(scratch.folder, 'there')];
  await writeFile(path, 'data');
  await writeFile(there, 'precious');
  await assert.rejects(copyExtents(path, [[0, 4]], there, 4), { code: 'EEXIST' });
  assert.equal(await readFile(there, 'utf8'), 'precious');
});

test('a sparse copy keeps content and holes', async () => {
  await using scratch = await scratchFolder();
  const [path, copy] = [join(scratch.folder, 'file'), join(scratch.folder, 'copy')];
  await makeWritableDisk(path, 1024);
  await copySparse(path, copy);
  assert.deepEqual(await dataExtents(copy), await dataExtents(path));
  assert.equal((await stat(copy)).size, 1024 * mebibyte);
  assert.ok((await stat(copy)).blocks * 512 < 8 * mebibyte);
});

test('a writable disk is a sound, empty ext4 that costs next to nothing', async () => {
  await using scratch = await scratchFolder();
  for (const sizeMb of [64, 4096, 1_000_000]) {
    const path = join(scratch.folder, `disk${sizeMb}`);
    await makeWritableDisk(path, sizeMb);
    const { size, blocks, mode } = await stat(path);
    assert.equal(size, sizeMb * mebibyte);
    assert.ok(blocks * 512 < 32 * mebibyte, `${sizeMb} MiB cost ${blocks * 512} bytes`);
    assert.equal(mode & 0o777, 0o600);
    execFileSync('e2fsck', ['-f', '-n', path], { stdio: 'ignore', env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } });
  }
});

test('a disk in a taken place is refused, and the place left alone', async () => {
  await using scratch = await scratchFolder();
  const path = join(scratch.folder, 'disk');
  await writeFile(path, 'precious');
  await assert.rejects(makeWritableDisk(path, 64), (error) => isNovaError(error, 'invalid_argument'));
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a disk that cannot be made leaves nothing', async () => {
  await using scratch = await scratchFolder();
  await assert.rejects(makeWritableDisk(join(scratch.folder, 'disk'), 64, { signal: AbortSignal.abort() }), /abort/i);
  await assert.rejects(stat(join(scratch.folder, 'disk')), { code: 'ENOENT' });
});
