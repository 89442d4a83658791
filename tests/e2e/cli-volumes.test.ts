import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliUnderTest } from '../support/nova-cli.ts';

test('a volume is created, filled, used, emptied into a folder, resized and removed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nova-volume-'));
  try {
    await using cli = await cliUnderTest();
    const id = await cli.ok('volume', 'create', 'cache', '--size', '256m');
    assert.match(id, /^[a-z][a-z0-9]{19}$/);
    await mkdir(join(folder, 'in/deep'), { recursive: true });
    await writeFile(join(folder, 'in/deep/file'), 'from the host\n');
    // No sandbox has it: one is made for the copy, and is gone afterwards.
    await cli.ok('volume', 'cp', `${join(folder, 'in')}/.`, 'cache:/');
    assert.equal(await cli.ok('ls', '--all', '-q'), '');

    // What a command has written is kept, although its sandbox is removed at once.
    const script = 'cat /c/deep/file; echo from the guest > /c/answer';
    assert.equal(await cli.ok('run', '-q', '-v', 'cache:/c', '--', 'sh', '-c', script), 'from the host');
    assert.equal(await cli.ok('run', '-q', '-v', 'cache:/c:ro', '--', 'cat', '/c/answer'), 'from the guest');

    await cli.ok('create', '--name', 'box', '-v', 'cache:/c');
    const busy = await cli.nova(['volume', 'rm', 'cache']);
    assert.equal(busy.code, 1);
    assert.match(busy.stderr, /The sandbox box writes to the volume cache/);
    // A sandbox that has it is used for the copy.
    await cli.ok('volume', 'cp', 'cache:/answer', 'cache:deep/file', folder);
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'from the host\n');
    assert.equal(await readFile(join(folder, 'answer'), 'utf8'), 'from the guest\n');
    const [shown] = JSON.parse(await cli.ok('volume', 'inspect', 'cache'));
    assert.deepEqual([shown.name, shown.sizeMb, shown.usedBy[0].sandboxName], ['cache', 256, 'box']);
    assert.match(await cli.ok('volume', 'ls'), /^NAME.*\ncache +\S+ +256 MiB .* box /);
    await cli.ok('snapshot', 'create', 'box', '--name', 'disk', '--disk-only');
    await cli.ok('rm', '--force', 'box');
    const from = ['run', '-q', '--snapshot', 'disk', '-v', 'cache:/elsewhere'];
    assert.equal(await cli.ok(...from, '--disk-only', '--', 'cat', '/elsewhere/answer'), 'from the guest');
    assert.match((await cli.nova([...from, '--', 'true'])).stderr, /add --disk-only/);

    assert.equal(await cli.ok('volume', 'resize', 'cache', '1g'), 'cache: 1 GiB');
    assert.equal(await cli.ok('volume', 'ls', '-q'), 'cache');
    assert.equal(await cli.ok('volume', 'rm', id.slice(0, 6)), id.slice(0, 6));
    assert.deepEqual(JSON.parse(await cli.ok('volume', 'ls', '--json')), []);
    assert.match((await cli.nova(['create', '-v', 'cache:/c'])).stderr, /There is no volume "cache"/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
