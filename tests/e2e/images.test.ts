import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createImageSource, loadTemplate, type Layout } from '@novasandbox/engine';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';

async function rootOf(layout: Layout, templateId: string): Promise<string> {
  const image = await createImageSource(layout).rootImage(await loadTemplate(layout, templateId), {});
  return image.path;
}

test('drives of the caller are mounted where they are wanted, and stay the caller’s', async () => {
  await using under = await engineUnderTest();
  const { engine, home } = under;
  const data = join(home.home, 'data');
  await mkdir(data);
  await writeFile(join(data, 'greeting'), 'hello from the drive\n');
  const drives = [join(home.home, 'ro.ext4'), join(home.home, 'rw.ext4')];
  for (const path of drives) execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', data, path, '16M']);
  const before = await stat(drives[1] ?? '');
  await using box = await sandbox(engine, {
    extraDrives: [
      { path: drives[0] ?? '', mountPath: '/mnt/ro' },
      { path: drives[1] ?? '', mountPath: '/mnt/rw', readOnly: false },
    ],
  });
  assert.equal(box.metadata.bootKind, 'cold');
  assert.equal(
    (await sh(engine, box.id, 'cat /mnt/ro/greeting /mnt/rw/greeting')).stdout,
    'hello from the drive\n'.repeat(2),
  );
  assert.notEqual((await sh(engine, box.id, 'echo x > /mnt/ro/x')).exit.exitCode, 0);
  assert.equal((await sh(engine, box.id, 'echo kept > /mnt/rw/x && sync')).exit.exitCode, 0);
  await engine.sandboxes.stop(box.id);
  const after = await stat(drives[1] ?? '');
  assert.deepEqual([after.uid, after.gid, after.mode], [before.uid, before.gid, before.mode]);
  assert.equal(
    execFileSync('debugfs', ['-R', 'cat /x', drives[1] ?? ''], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(),
    'kept\n',
  );
});

test('a root image of the caller takes the place of the template’s', async () => {
  await using under = await engineUnderTest();
  const { engine, layout, home } = under;
  const own = join(home.home, 'own.ext4');
  await copyFile(await rootOf(layout, 'linux-default'), own);
  await using box = await sandbox(engine, { rootfsPath: own });
  assert.equal((await sh(engine, box.id, 'command -v python3 || echo none')).stdout, 'none\n');
});

test('a template can be given ready-made, as a folder with kernel and root image', async () => {
  await using under = await engineUnderTest({ own: ['snapshots'] });
  const { engine, layout, home } = under;
  const folder = join(home.home, 'templates/given');
  await mkdir(folder, { recursive: true });
  await copyFile(await rootOf(layout, 'linux-default'), join(folder, 'rootfs.ext4'));
  const kernel = await createImageSource(layout).kernel(await loadTemplate(layout, 'linux-default'), {});
  await copyFile(kernel.path, join(folder, 'vmlinux'));
  await cp(join(dirname(kernel.path), 'modules'), join(folder, 'modules'), { recursive: true });
  const template = {
    name: 'Given',
    template_id: 'given',
    memory_mb: 192,
    vcpus: 1,
    disk_size_gb: 0.5,
    required_files: ['vmlinux', 'rootfs.ext4'],
  };
  await writeFile(join(folder, 'template.json'), JSON.stringify(template));
  await using box = await sandbox(engine, { templateId: 'given' });
  assert.equal(box.metadata.bootKind, 'snapshot');
  assert.equal((await sh(engine, box.id, 'id -un')).stdout, 'root\n');
});
