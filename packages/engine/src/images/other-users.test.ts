import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { firstLifted } from './bootstrap.ts';
import { createImageSource } from './index.ts';
import { elfKernel } from './testing/elf.ts';
import { scratchFolder } from '../artifacts/testing/scratch.ts';
import { makeWritableDisk } from '../artifacts/writable-disk.ts';

const skip =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'takes root, who can become another user';

/** A shell command that says whether another user may open a file for reading or writing. */
const look = (file: string): string =>
  `setpriv --reuid=778001 --regid=778001 --clear-groups sh -c '[ -r "$0" ] && echo read; [ -w "$0" ] && echo write; echo looked' ${file}`;
const lookAt = (file: string): string => spawnSync('sh', ['-c', look(file)], { encoding: 'utf8' }).stdout;

let umask: number;
before(() => void (umask = process.umask(0)));
after(() => void process.umask(umask));

test('while a root image is built, and afterwards, another user can neither read nor change it', { skip }, async () => {
  await using scratch = await scratchFolder();
  const half = join(scratch.layout.workDirectory, 'rootfs/rootfs.ext4');
  await scratch.program(
    'mmdebstrap',
    `${look(half)} >'${scratch.folder}/seen'
     mke2fs -q -t ext4 '${half}' 8M; bash -c "echo 'dash 1' >&${firstLifted + 1}"`,
  );
  const images = createImageSource(scratch.layout);
  const template = await scratch.template({
    template_id: 'small',
    source: { type: 'debian', suite: 'bookworm', variant: 'minbase' },
  });
  const { path } = await images.rootImage(template, {});
  assert.equal(await readFile(join(scratch.folder, 'seen'), 'utf8'), 'looked\n');
  assert.equal(lookAt(path), 'looked\n');
});

test("the copy of a template's own image is for its owner and VMMs alone", { skip }, async () => {
  await using scratch = await scratchFolder();
  const images = createImageSource(scratch.layout);
  const template = await scratch.template({ template_id: 'given' });
  const file = (name: string): string => join(template.directory, name);
  await writeFile(file('vmlinux'), elfKernel(), { mode: 0o600 });
  await makeWritableDisk(file('new'), 8);
  await rename(file('new'), file('rootfs.ext4'));
  await scratch.program(
    'cp',
    `PATH="\${PATH#*:}"; cp "$@"; while [ $# -gt 1 ]; do shift; done; { ${look('"$1"')}; } >'${scratch.folder}/seen'`,
  );
  const { path } = await images.rootImage(template, {});
  assert.equal(await readFile(join(scratch.folder, 'seen'), 'utf8'), 'looked\n');
  assert.equal(lookAt(path), 'looked\n');
  assert.equal(lookAt((await images.kernel(template, {})).path), 'looked\n');
});
