import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { orderedModules } from './modules.ts';
import { elfModule } from './testing/elf.ts';
import { scratchFolder } from '../artifacts/testing/scratch.ts';

async function moduleTree(folder: string, files: Readonly<Record<string, Buffer>>, builtIn = ''): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await writeFile(join(folder, 'modules.builtin'), builtIn);
}

test('modules come after what they depend on, each once', async () => {
  await using scratch = await scratchFolder();
  await moduleTree(scratch.folder, {
    'kernel/a/virtio_blk.ko': elfModule(['virtio_ring', 'virtio']),
    'kernel/a/virtio-rng.ko': elfModule(['virtio']),
    'kernel/b/virtio.ko': elfModule(['virtio_ring']),
    'kernel/b/virtio_ring.ko': elfModule([]),
    'kernel/b/unwanted.ko': elfModule([]),
  });
  const found = await orderedModules(scratch.folder, ['virtio_blk', 'virtio_rng'], join(scratch.folder, 'scratch'));
  assert.deepEqual(
    found.map(({ name }) => name),
    ['virtio_ring', 'virtio', 'virtio_blk', 'virtio_rng'],
  );
});

test('what is built in or not there is left out', async () => {
  await using scratch = await scratchFolder();
  await moduleTree(
    scratch.folder,
    { 'kernel/overlay.ko': elfModule(['exportfs-helper']), 'kernel/ext4.ko': elfModule([]) },
    'kernel/fs/exportfs_helper.ko\nkernel/fs/ext4/ext4.ko\n',
  );
  const found = await orderedModules(scratch.folder, ['ext4', 'overlay', 'erofs'], join(scratch.folder, 'scratch'));
  assert.deepEqual(
    found.map(({ name }) => name),
    ['overlay'],
  );
});

test('compressed modules are unpacked', async () => {
  await using scratch = await scratchFolder();
  const content = elfModule([]);
  const xz = spawnSync('xz', ['-c'], { input: content });
  await moduleTree(scratch.folder, {
    'kernel/one.ko.gz': gzipSync(content),
    'kernel/two.ko.zst': zstdCompressSync(content),
    'kernel/three.ko.xz': xz.stdout,
  });
  const found = await orderedModules(scratch.folder, ['one', 'two', 'three'], join(scratch.folder, 'scratch'));
  assert.deepEqual(
    found.map((module) => [module.name, module.content.equals(content)]),
    [
      ['one', true],
      ['two', true],
      ['three', true],
    ],
  );
});

test('modules that need each other do not go round for ever', async () => {
  await using scratch = await scratchFolder();
  await moduleTree(scratch.folder, { 'kernel/a.ko': elfModule(['b']), 'kernel/b.ko': elfModule(['a']) });
  const found = await orderedModules(scratch.folder, ['a'], join(scratch.folder, 'scratch'));
  assert.equal(found.length, 2);
});

test('a kernel without modules has none', async () => {
  await using scratch = await scratchFolder();
  assert.deepEqual(
    await orderedModules(join(scratch.folder, 'missing'), ['ext4'], join(scratch.folder, 'scratch')),
    [],
  );
});
