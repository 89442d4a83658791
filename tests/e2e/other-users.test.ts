import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { processesNaming, type Layout } from '@novasandbox/engine';
import { accessOf, otherUser, userOf } from '../support/as-user.ts';
import { serverUnderTest, type ServerUnderTest } from '../support/server.ts';

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'only root can become another user';
const secret = 'a secret of the host';
let server: ServerUnderTest;
let own: string;
let neighbour: string;

before(async () => {
  if (skip !== false) return;
  // The most open umask that a user can have; everything started here inherits it.
  process.umask(0);
  server = await serverUnderTest({ NOVA_API_KEY: '', NOVA_TEST_SECRET: secret, AWS_SECRET_ACCESS_KEY: secret });
  own = (await server.vm({ environment: { SECRET: 'of the sandbox' } })).id;
  neighbour = (await server.vm()).id;
});
after(() => server?.[Symbol.asyncDispose]());

/**
 * All files in a folder, including the folder itself. Links are followed where they lead to a folder of the machine's.
 */
function below(folder: string): string[] {
  const real = realpathSync(folder);
  return [
    real,
    ...readdirSync(real).flatMap((name) => {
      const path = join(real, name);
      const found = lstatSync(path, { throwIfNoEntry: false });
      if (found === undefined) return [];
      const isShared = found.isSymbolicLink() && real === realpathSync(server.home.home);
      return found.isDirectory() || isShared ? below(path) : [path];
    }),
  ];
}

/** Programs that anybody can get from elsewhere, and the tests' own tools, which others may be making just now. */
const isPublic = (path: string): boolean => /\/(toolchain|vmm|node)(\/|$)/.test(path);

const everything = ({ home, run, slotRegistryFile }: Layout): string[] =>
  [...below(home), ...below(run), slotRegistryFile].filter((path) => !isPublic(path));

const vmmOf = (id: string): number => {
  const [found] = processesNaming(server.home.layout.sockets(id));
  assert.ok(found !== undefined, `the VMM of ${id} runs`);
  return found.pid;
};

test('another user of the host can read and change nothing of the state, whatever the umask', { skip }, () => {
  const { layout } = server.home;
  const paths = everything(layout);
  for (const file of [layout.storeFile, layout.daemon.database, layout.daemon.socket, layout.daemon.keyFile])
    assert.ok(paths.includes(realpathSync(file)), file);
  assert.ok(paths.includes(`${layout.storeFile}-wal`), 'the WAL is there');
  assert.deepEqual(accessOf(otherUser, paths), { read: [], write: [] });
});

test("a VMM's user can read images and its own files, and change its own alone", { skip }, () => {
  const { layout } = server.home;
  const vmm = userOf(readFileSync(`/proc/${vmmOf(own)}/status`, 'utf8'));
  assert.ok(vmm.uid > 0, 'it has a user of its own');
  const { read, write } = accessOf(vmm, everything(layout));
  const mine = [layout.sandbox(own), layout.sockets(own)];
  const images = layout.imageFolders.map((folder) => realpathSync(folder));
  const lies = (path: string, folders: readonly string[]): boolean =>
    folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
  assert.deepEqual(
    read.filter((path) => !lies(path, [...mine, ...images])),
    [],
  );
  assert.deepEqual(
    read.filter((path) => images.includes(path)),
    [],
    'what other templates there are it cannot list',
  );
  assert.ok(!read.some((path) => lies(path, [layout.sandbox(neighbour), layout.sockets(neighbour)])));
  // QEMU before 8.2 opens the memory of snapshots also for writing.
  const changeable = write.filter((path) => !/\/golden\/[0-9a-f]+\/ram$/.test(path));
  assert.deepEqual(
    changeable.filter((path) => !lies(path, mine)),
    [],
  );
  assert.ok(
    read.some((path) => path.endsWith('/rootfs.ext4')),
    'the look itself works',
  );
  assert.ok(changeable.length > 0, 'the look itself works');
});

test("no secret of the host is in a VMM's environment, nor any key in the list of processes", { skip }, () => {
  const environment = readFileSync(`/proc/${vmmOf(own)}/environ`, 'utf8');
  assert.ok(environment.includes('PATH='));
  assert.ok(!environment.includes(secret) && !environment.includes('NOVA_'), environment);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let line = '';
    try {
      line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      // It has ended meanwhile.
    }
    assert.ok(!line.includes(server.key) && !line.includes('of the sandbox'), line);
  }
});
