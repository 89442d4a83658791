import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { onDemandModules } from './on-demand-modules.ts';
import { elfModule } from './testing/elf.ts';
import { scratchFolder } from '../artifacts/testing/scratch.ts';

test('what guests may need is packed with what it depends on, but for what they have already', async () => {
  await using scratch = await scratchFolder();
  const modules = {
    'kernel/net/bridge/bridge.ko': elfModule(['stp', 'ext4']),
    'kernel/net/802/stp.ko': elfModule([]),
    'kernel/fs/ext4/ext4.ko': elfModule([]),
    'kernel/fs/btrfs/btrfs.ko': elfModule([]),
  };
  const directory = join(scratch.folder, 'modules');
  for (const [path, content] of Object.entries(modules)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  await writeFile(join(directory, 'modules.builtin'), 'kernel/lib/crc.ko\n');
  const loaded = [{ name: 'ext4', content: modules['kernel/fs/ext4/ext4.ko'] }];
  const entries = await onDemandModules(directory, '6.1.0-test', loaded, join(scratch.folder, 'scratch'));

  const top = 'on-demand/6.1.0-test';
  const content = (path: string): Buffer => {
    const entry = entries.find((each) => each.path === `${top}/${path}`);
    assert.ok(entry?.type === 'file', path);
    return Buffer.from(entry.content);
  };
  assert.deepEqual(
    entries.map(({ path }) => path).filter((path) => path.startsWith(`${top}/kernel/`)),
    [`${top}/kernel/bridge.ko.zst`, `${top}/kernel/stp.ko.zst`],
  );
  assert.deepEqual(zstdDecompressSync(content('kernel/bridge.ko.zst')), modules['kernel/net/bridge/bridge.ko']);
  assert.match(content('modules.dep').toString(), /^kernel\/bridge\.ko\.zst:/m);
  assert.equal(content('modules.builtin').toString(), 'kernel/lib/crc.ko\nkernel/ext4.ko\n');
  assert.ok(content('modules.dep.bin').length > 0 && content('modules.builtin.bin').length > 0);
  // A folder comes before its contents.
  assert.deepEqual(
    entries.slice(0, 3).map(({ path }) => path),
    ['on-demand', top, `${top}/kernel`],
  );
});

test('a kernel without modules needs none', async () => {
  await using scratch = await scratchFolder();
  const missing = join(scratch.folder, 'missing');
  assert.deepEqual(await onDemandModules(missing, '6.1.0-test', [], join(scratch.folder, 'scratch')), []);
});
