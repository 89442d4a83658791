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

test('base has the programs that people reach for, and shows what is not ASCII as it is', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine);
  const run = async (script: string): Promise<string> => (await sh(engine, box.id, script)).stdout;
  assert.equal(
    await run(
      'for name in git curl jq less nano pip python3 sudo unzip wget; do command -v $name >/dev/null || echo $name; done',
    ),
    '',
  );
  assert.equal(await run("echo $LANG; sudo sh -c 'echo $LANG'; locale charmap"), 'C.UTF-8\nC.UTF-8\nUTF-8\n');
  assert.equal(await run("bash -c 'word=für; echo ${#word}'"), '3\n');
  assert.equal(await run(`python3 -c 'print("für", len("für"))' | cat`), 'für 3\n');
  // less shows bytes that it does not treat as text as <C3><BC>.
  assert.equal(await run('echo für > /tmp/text; less /tmp/text; echo für | jq -R length'), 'für\n3\n');
  assert.equal(await run('dpkg -l usrmerge 2>&1 | grep -c ^ii; test -L /bin && echo merged'), '0\nmerged\n');
});

test('minimal is a shell and coreutils, a quarter of base, for root', async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  await using box = await sandbox(engine, { templateId: 'minimal' });
  const run = async (script: string): Promise<string> => (await sh(engine, box.id, script)).stdout;
  assert.equal(
    await run('id -un; echo $LANG; echo für | sed s/f/F/ | tr r n; seq 3 | tail -n 1'),
    'root\nC.UTF-8\nFün\n3\n',
  );
  assert.equal(await run('for name in apt-get python3 perl-modules git sudo curl ip; do command -v $name; done'), '');
  assert.equal(
    await run(
      'dpkg --audit; cat /var/lib/dpkg/status | grep -c "^Status: install ok installed" > /tmp/n; test $(cat /tmp/n) -gt 40 && echo whole',
    ),
    'whole\n',
  );
  const [minimal, base] = await Promise.all(['minimal', 'base'].map((id) => engine.templates.inspect(id)));
  const [small = 0, large = 0] = [minimal?.sizeBytes, base?.sizeBytes].map(Number);
  assert.ok(small > 0 && small < 80e6, `${small} bytes`);
  assert.ok(large === 0 || small * 3 < large, `${small} of ${large} bytes`);
});

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
  await using under = await engineUnderTest({ own: ['golden'] });
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
