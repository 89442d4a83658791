import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, chown, link, lchown, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { fileTail, logBytes, makeLog } from './logs.ts';
import { giveFile } from './ownership.ts';
import { removeFolder } from './remove-folder.ts';
import { connectUnixSocket } from './unix-socket.ts';

/** The work of root in folders of a VMM's user, who replaces files that root expects by links. */
const hostile = 654_321;
const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs root';

/** A file of the host, and a folder that belongs to the hostile user. */
async function place(): Promise<AsyncDisposable & { readonly victim: string; readonly folder: string }> {
  const root = await mkdtemp(join(tmpdir(), 'nova-hostile-'));
  await chmod(root, 0o711);
  const [host, folder] = [join(root, 'host'), join(root, 'folder')];
  for (const each of [host, folder]) await mkdir(each);
  const victim = join(host, 'victim');
  await writeFile(victim, 'secret', { mode: 0o600 });
  await chown(folder, hostile, hostile);
  return { victim, folder, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}

function assertUntouched(victim: string): void {
  const { uid, mode } = statSync(victim);
  assert.deepEqual([readFileSync(victim, 'utf8'), uid, mode & 0o777], ['secret', 0, 0o600]);
}

test('no link, other name, pipe or folder is given away in the place of a file', { skip }, async () => {
  await using at = await place();
  const path = join(at.folder, 'file');
  const tricks = [
    () => symlink(at.victim, path),
    () => link(at.victim, path),
    () => mkdir(path),
    async () => void (await once(spawn('mkfifo', [path]), 'exit')),
  ];
  for (const trick of tricks) {
    await trick();
    assert.throws(
      () => giveFile(path, hostile, hostile, 0o666),
      (error) => isNovaError(error, 'vmm_failed'),
    );
    await rm(path, { recursive: true });
    assertUntouched(at.victim);
  }
  await writeFile(path, '');
  giveFile(path, hostile, hostile, 0o640);
  const { uid, mode } = statSync(path);
  assert.deepEqual([uid, mode & 0o777], [hostile, 0o640]);
});

test('a log that is a link is neither read nor written, and makes way for one that is none', { skip }, async () => {
  await using at = await place();
  const log = join(at.folder, 'log');
  await symlink(at.victim, log);
  assert.equal(await fileTail(log, 100), '');
  await makeLog(log, 10 * logBytes);
  assertUntouched(at.victim);
  await writeFile(log, 'last words', { flag: 'a' });
  assert.equal(await fileTail(log, 100), 'last words');
  await makeLog(log, 20 * logBytes);
  assert.equal(await fileTail(log, 100), 'last words');
  assert.equal(statSync(log).size, 19 * logBytes + 'last words'.length);
});

test("only a socket of the folder's owner is connected to", { skip }, async () => {
  await using at = await place();
  let heard = 0;
  const server = createServer((socket) => {
    heard++;
    socket.destroy();
  });
  await using undo = new AsyncDisposableStack();
  undo.defer(() => void server.close());
  const [elsewhere, path] = [join(at.folder, '../host/socket'), join(at.folder, 'socket')];
  await once(server.listen(elsewhere), 'listening');
  await symlink(elsewhere, path);
  await assert.rejects(connectUnixSocket(path), (error) => isNovaError(error, 'vmm_failed'));
  await rm(path);
  await rename(elsewhere, path);
  await assert.rejects(connectUnixSocket(path), (error) => isNovaError(error, 'vmm_failed'));
  assert.equal(heard, 0);
  await chown(path, hostile, hostile);
  const closed = once((await connectUnixSocket(path)).resume(), 'close');
  await closed;
  assert.equal(heard, 1);
  await rm(path);
  await assert.rejects(connectUnixSocket(path), (error) => isNovaError(error, 'guest_unreachable'));
});

test('a folder is removed without what links in it lead to, however deep folders are nested', { skip }, async () => {
  await using at = await place();
  const host = join(at.victim, '..');
  await symlink(host, join(at.folder, 'link'));
  await lchown(join(at.folder, 'link'), hostile, hostile);
  // The folder is nested deeper than a path can be long.
  const [deep, next] = [join(at.folder, 'deep'), join(at.folder, 'next')];
  await mkdir(deep);
  for (let level = 0; level < 500; level++) {
    await mkdir(next);
    await symlink(host, join(next, 'link'));
    await rename(deep, join(next, 'deep'.repeat(5)));
    await rename(next, deep);
  }
  await removeFolder(at.folder);
  assert.ok(!existsSync(at.folder));
  assertUntouched(at.victim);
  // Once a missing folder, and once a link in place of it.
  await removeFolder(at.folder);
  await symlink(host, at.folder);
  await removeFolder(at.folder);
  assert.ok(!existsSync(at.folder));
  assertUntouched(at.victim);
});

test(
  'folders that are exchanged for links while they are removed lead nowhere, and are removed',
  { skip },
  async () => {
    await using at = await place();
    const host = join(at.victim, '..');
    const script =
      'while :; do mkdir -p a/b; : >a/b/victim; mv a/b a/c; ln -s "$0" a/b; mv a d; ln -s "$0" a; : >ready; rm -rf a d; done 2>/dev/null';
    for (let round = 0; round < 20; round++) {
      const folder = join(at.victim, `../../folder${round}`);
      await mkdir(folder);
      await chown(folder, hostile, hostile);
      const attacker = spawn('/bin/sh', ['-c', script, host], { cwd: folder, uid: hostile, stdio: 'ignore' });
      const ended = once(attacker, 'exit');
      try {
        await eventually(() => existsSync(join(folder, 'ready')));
        await removeFolder(folder);
        assert.ok(!existsSync(folder));
        assertUntouched(at.victim);
      } finally {
        attacker.kill('SIGKILL');
        await ended;
      }
    }
  },
);

/** Waits until the condition holds; a hang ends with the test's own limit. */
async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
