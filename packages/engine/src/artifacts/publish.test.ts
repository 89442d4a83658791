import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { publish } from './publish.ts';
import { scratchFolder } from './testing/scratch.ts';

test('a folder appears whole, under its final name', async () => {
  await using scratch = await scratchFolder();
  const final = scratch.layout.kernel('abc');
  await publish(scratch.layout, 'thing', async (work) => {
    await writeFile(join(work, 'file'), 'content');
    return final;
  });
  assert.equal(await readFile(join(final, 'file'), 'utf8'), 'content');
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
});

test('a failure leaves nothing', async () => {
  await using scratch = await scratchFolder();
  const failing = publish(scratch.layout, 'thing', async (work) => {
    await writeFile(join(work, 'file'), 'half');
    throw new Error('broken');
  });
  await assert.rejects(failing, /broken/);
  assert.deepEqual(await readdir(scratch.layout.workDirectory), []);
});

test('what a killed predecessor left is cleared, and a damaged folder replaced', async () => {
  await using scratch = await scratchFolder();
  const final = scratch.layout.kernel('abc');
  for (const folder of [final, join(scratch.layout.workDirectory, 'thing')]) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'old'), '');
  }
  await publish(scratch.layout, 'thing', async (work) => {
    assert.deepEqual(await readdir(work), []);
    await writeFile(join(work, 'new'), '');
    return final;
  });
  assert.deepEqual(await readdir(final), ['new']);
});

test('what a killed predecessor left mounted is unmounted, not emptied', async (t) => {
  await using scratch = await scratchFolder();
  const precious = join(scratch.folder, 'precious');
  const mounted = join(scratch.layout.workDirectory, 'thing/tree with space/dev');
  await mkdir(precious);
  await writeFile(join(precious, 'file'), '');
  await mkdir(mounted, { recursive: true });
  if (spawnSync('mount', ['--bind', precious, mounted]).status !== 0) {
    t.skip('mounting is not allowed here');
    return;
  }
  await publish(scratch.layout, 'thing', () => Promise.resolve(scratch.layout.kernel('abc')));
  assert.deepEqual(await readdir(precious), ['file']);
  assert.doesNotMatch(await readFile('/proc/self/mountinfo', 'utf8'), /tree\\040with/);
});
