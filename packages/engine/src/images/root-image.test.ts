import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isNovaError, type ProgressEvent } from '@novasandbox/protocol';
import { createImageSource } from './index.ts';
import { elfKernel } from './testing/elf.ts';
import { scratchFolder, type Scratch } from '../artifacts/testing/scratch.ts';
import { makeWritableDisk } from '../artifacts/writable-disk.ts';

const debian = { template_id: 'small', source: { type: 'debian', suite: 'bookworm', variant: 'minbase' } } as const;

/** An mmdebstrap that takes the given time and has a child process, as the real one does. */
async function slowBootstrap(scratch: Scratch): Promise<void> {
  await scratch.program(
    'mmdebstrap',
    `sleep 300 &
     # Its own number means nothing outside its namespace: the command line names the test's folder.
     exec sh -c 'echo "I: running apt-get update..."; touch "$1/begun"; sleep 300; :' ${scratch.folder} ${scratch.folder}`,
  );
}

/** Processes whose command line names that folder. */
async function processesOf(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(folder)) lines.push(line.replaceAll('\0', ' '));
  }
  return lines;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
    if (await holds()) return;
    await delay(50);
  }
  assert.fail(`waited in vain: ${what}`);
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

test('an abort during a build leaves no process and no file', async () => {
  await using scratch = await scratchFolder();
  await slowBootstrap(scratch);
  const images = createImageSource(scratch.layout);
  const template = await scratch.template(debian);
  const events: ProgressEvent[] = [];
  const abort = new AbortController();
  const build = images.rootImage(template, { signal: abort.signal, progress: (event) => events.push(event) });
  const outcome = assert.rejects(build, /abort/i);
  await until('the build begins', () => isThere(join(scratch.folder, 'begun')));
  abort.abort();
  await outcome;
  assert.deepEqual(await processesOf(scratch.folder), []);
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
  assert.equal(await images.builtRootImage(template), null);
  assert.deepEqual(
    events.map(({ state }) => state).filter((state) => state !== 'update'),
    ['start', 'failed'],
  );
});

test('root makes a tree in memory where there is plenty, and on disk where it does not fit', async (t) => {
  if (process.getuid?.() !== 0 || process.availableMemory() < 4 * 1024 ** 3) {
    t.skip('needs root, and memory');
    return;
  }
  await using scratch = await scratchFolder();
  const trees = join(scratch.folder, 'trees');
  await scratch.program(
    'mmdebstrap',
    `echo "$TMPDIR $(stat -f -c %T "$TMPDIR")" >> ${trees}
     case "$TMPDIR" in
       */tree) echo 'E: write (28: No space left on device)' >&2 ;;
       *) echo 'E: the second attempt' >&2 ;;
     esac
     exit 1`,
  );
  const build = createImageSource(scratch.layout).rootImage(await scratch.template(debian), {});
  await assert.rejects(
    build,
    (error) => isNovaError(error, 'template_build_failed') && /the second/.test(error.message),
  );
  const [first = '', second = ''] = (await readFile(trees, 'utf8')).split('\n');
  assert.match(first, /\/tree tmpfs$/);
  assert.doesNotMatch(second, /\/tree/);
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
});

test('a build ends with the process that wanted it, and the next one is not blocked', async (t) => {
  if (process.getuid?.() !== 0) {
    t.skip('needs namespaces made by root');
    return;
  }
  await using scratch = await scratchFolder();
  await slowBootstrap(scratch);
  const template = await scratch.template(debian);
  const program = `
    import { createImageSource } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
    import { layoutAt } from ${JSON.stringify(join(import.meta.dirname, '../layout.ts'))};
    await createImageSource(layoutAt(${JSON.stringify(scratch.layout.home)})).rootImage(${JSON.stringify(template)}, {});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
  await until('the build begins', () => isThere(join(scratch.folder, 'begun')));
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  await until('the build ends too', async () => (await processesOf(scratch.folder)).length === 0);

  await scratch.program('mmdebstrap', 'echo "E: the next one fails quickly"; exit 1');
  await assert.rejects(createImageSource(scratch.layout).rootImage(template, {}), /the next one fails quickly/);
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
});

test('a failed build says why, and keeps its log', async () => {
  await using scratch = await scratchFolder();
  await scratch.program('mmdebstrap', 'echo "I: hello"; echo "E: Unable to locate package nonesuch" >&2; exit 25');
  const template = await scratch.template(debian);
  await assert.rejects(createImageSource(scratch.layout).rootImage(template, {}), (error) => {
    assert.ok(isNovaError(error, 'template_build_failed'));
    assert.match(error.message, /Unable to locate package nonesuch/);
    return true;
  });
  assert.match(await readFile(scratch.layout.rootfs('failedlog'), 'utf8'), /hello/);
});

test('a host without the tools is told what to install', async () => {
  await using scratch = await scratchFolder();
  const path = process.env['PATH'];
  process.env['PATH'] = join(scratch.folder, 'empty');
  try {
    await assert.rejects(
      createImageSource(scratch.layout).rootImage(await scratch.template(debian), {}),
      (error) => isNovaError(error, 'set_up_failed') || isNovaError(error, 'template_build_failed'),
    );
  } finally {
    process.env['PATH'] = path;
  }
});

test('a ready-made template is taken over, checked, and taken over again when it changes', async () => {
  await using scratch = await scratchFolder();
  const images = createImageSource(scratch.layout);
  const template = await scratch.template({ template_id: 'given', required_files: ['notes.txt'] });
  const file = (name: string): string => join(template.directory, name);
  const lacks = async (name: string): Promise<void> => {
    await assert.rejects(images.rootImage(template, {}), (error) => {
      assert.ok(isNovaError(error, 'template_build_failed'));
      assert.match(error.message, new RegExp(name));
      return true;
    });
  };
  await lacks('notes.txt');
  await writeFile(file('notes.txt'), '');
  await lacks('vmlinux');
  await writeFile(file('vmlinux'), elfKernel({ release: '6.6.6' }));
  await lacks('rootfs.ext4');
  await writeFile(file('rootfs.ext4'), 'no file system');
  await lacks('ext4, erofs, squashfs');
  await makeWritableDisk(file('new'), 64);
  await rename(file('new'), file('rootfs.ext4'));

  assert.equal(await images.builtRootImage(template), null);
  const image = await images.rootImage(template, {});
  assert.equal((await stat(image.path)).size, 64 * 1024 * 1024);
  assert.deepEqual(await images.builtRootImage(template), image);
  assert.notEqual(image.path, file('rootfs.ext4'));

  await makeWritableDisk(file('new'), 65);
  await rename(file('new'), file('rootfs.ext4'));
  const changed = await images.rootImage(template, {});
  assert.notEqual(changed.digest, image.digest);
  assert.ok(await isThere(image.path), 'the old image stays: guests may run on it');

  await images.removeRootImage(template, () => false);
  assert.equal(await images.builtRootImage(template), null);
  assert.ok(await isThere(file('rootfs.ext4')), "the template's own file stays");
});

test("another module of a template's own kernel makes it another kernel", async () => {
  await using scratch = await scratchFolder();
  const template = await scratch.template({ template_id: 'modular' });
  const images = createImageSource(scratch.layout);
  await writeFile(join(template.directory, 'vmlinux'), elfKernel());
  const layDown = async (module: string): Promise<string> => {
    const folder = join(template.directory, 'modules');
    await rm(folder, { recursive: true, force: true });
    await mkdir(join(folder, 'kernel'), { recursive: true });
    await writeFile(join(folder, 'kernel/virtio_blk.ko'), module);
    await writeFile(join(folder, 'modules.order'), 'kernel/virtio_blk.ko\n');
    return (await images.kernel(template, {})).digest;
  };
  const digest = await layDown('one');
  assert.equal(await layDown('one'), digest);
  assert.notEqual(await layDown('two'), digest);
});

test("a template's own kernel is used, recorded, and refused where it cannot boot", async () => {
  await using scratch = await scratchFolder();
  const images = createImageSource(scratch.layout);
  const template = await scratch.template({ template_id: 'given' });
  const own = join(template.directory, 'vmlinux');
  await writeFile(own, elfKernel({ release: '6.6.6' }));
  const first = await images.kernel(template, {});
  assert.equal(first.release, '6.6.6');
  assert.ok((await readFile(first.path)).equals(await readFile(own)));
  assert.deepEqual(await images.kernel(template, {}), first);

  await writeFile(own, elfKernel({ release: '6.6.7' }));
  assert.equal((await images.kernel(template, {})).release, '6.6.7');
  await writeFile(own, elfKernel({ pvh: false }));
  await assert.rejects(images.kernel(template, {}), (error) => {
    assert.ok(isNovaError(error, 'template_build_failed'));
    assert.match(error.message, /PVH/);
    return true;
  });
});
