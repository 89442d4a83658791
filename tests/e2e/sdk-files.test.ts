import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Change } from 'novasandbox';
import { sdkUnderTest } from '../support/sdk.ts';

test('files: write, read, list, stat, move, remove; relative paths start at home', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const { files } = sandbox;
  const entry = await files.write('notes/ünï €.txt', 'héllo');
  assert.equal(entry.type, 'file');
  assert.equal(entry.path, '/home/user/notes/ünï €.txt');
  assert.equal(entry.owner, 'user');
  assert.equal(await files.read('notes/ünï €.txt'), 'héllo');
  assert.deepEqual(await files.readBytes('notes/ünï €.txt', { offset: 1, length: 2 }), new TextEncoder().encode('é'));
  await files.write('notes/ünï €.txt', ' again', { append: true });
  assert.equal(await files.read('notes/ünï €.txt'), 'héllo again');
  await assert.rejects(files.write('notes/ünï €.txt', 'x', { exclusive: true }), { code: 'file_exists' });
  assert.equal(await files.makeDir('/tmp/a/b'), true);
  assert.equal(await files.makeDir('/tmp/a/b'), false);
  await files.rename('notes/ünï €.txt', '/tmp/a/moved');
  assert.equal(await files.exists('notes/ünï €.txt'), false);
  assert.equal(await files.exists('/tmp/a/moved'), true);
  assert.deepEqual(
    (await files.list('/tmp/a', { depth: 2 })).map(({ name, type }) => [name, type]),
    [
      ['b', 'directory'],
      ['moved', 'file'],
    ],
  );
  const set = await files.setAttributes('/tmp/a/moved', { mode: 0o600, owner: 'root' }, { user: 'root' });
  assert.deepEqual([set.mode, set.owner], [0o600, 'root']);
  assert.equal(await files.remove('/tmp/a', { user: 'root' }), true);
  assert.equal(await files.remove('/tmp/a'), false);
  await assert.rejects(files.read('/no/such'), { code: 'file_not_found' });
  await assert.rejects(files.read('/etc'), { code: 'is_a_directory' });
});

test('streams of any size go both ways; what is read at once is bounded', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const piece = new Uint8Array(1_000_000).fill(7);
  const pieces = (async function* () {
    for (let count = 0; count < 20; count += 1) yield piece;
  })();
  assert.equal((await sandbox.files.write('/tmp/big', pieces)).size, 20_000_000);
  await using stream = await sandbox.files.readStream('/tmp/big');
  assert.equal(stream.entry.size, 20_000_000);
  let received = 0;
  for await (const part of stream) received += part.length;
  assert.equal(received, 20_000_000);
  await assert.rejects(sandbox.files.readBytes('/tmp/big', { maxBytes: 1_000_000 }), {
    code: 'host_resource_exhausted',
  });
  await sandbox.files.write('/tmp/blob', new Blob(['from a blob']));
  assert.equal(await sandbox.files.read('/tmp/blob'), 'from a blob');
  assert.match(await sandbox.files.read('/proc/version'), /^Linux version/);
});

test('a watch tells changes until it is stopped', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  await sandbox.files.makeDir('/tmp/watched/deep');
  const changes: Change[] = [];
  const seen = Promise.withResolvers<void>();
  const watch = await sandbox.files.watchDir(
    '/tmp/watched',
    (change) => {
      changes.push(change);
      if (change.kind === 'remove') seen.resolve();
    },
    { recursive: true },
  );
  await sandbox.files.write('/tmp/watched/deep/file', 'x');
  await sandbox.files.remove('/tmp/watched/deep/file');
  await seen.promise;
  await watch.stop();
  assert.ok(changes.some(({ kind, name }) => kind === 'create' && name === 'deep/file'));
  assert.ok(changes.some(({ kind, name }) => kind === 'write' && name === 'deep/file'));
});

test('directories are copied both ways', async () => {
  await using sdk = await sdkUnderTest();
  await using sandbox = await sdk.create();
  const folder = await mkdtemp(join(tmpdir(), 'nova-sdk-'));
  try {
    const source = join(folder, 'source');
    await mkdir(join(source, 'deep'), { recursive: true });
    await writeFile(join(source, 'deep', 'file'), 'content', { mode: 0o755 });
    await writeFile(join(source, 'ünï'), 'x'.repeat(100_000));
    await sandbox.files.uploadDir(source, 'project');
    assert.equal((await sandbox.commands.run('stat -c "%U %a" project/deep/file')).stdout, 'user 755\n');
    await sandbox.commands.run('ln -s /etc/passwd project/evil');
    const { skipped } = await sandbox.files.downloadDir('project', join(folder, 'back'));
    assert.deepEqual(
      skipped.map(({ path }) => path),
      ['evil'],
    );
    assert.equal(execFileSync('diff', ['-r', source, join(folder, 'back')]).toString(), '');
    assert.equal(await readFile(join(folder, 'back', 'deep', 'file'), 'utf8'), 'content');
  } finally {
    await rm(folder, { recursive: true });
  }
});
