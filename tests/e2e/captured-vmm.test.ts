import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { appendFile, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, processesNaming, type Layout } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { eventually } from '../support/eventually.ts';

/**
 * A VMM that its guest has taken over can do everything that the VMM's user may do. The tests try this as that user, in
 * the folders of a sandbox that runs; then root works in these folders.
 */
const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs root';

interface Host extends AsyncDisposable {
  /** A folder of the host that no VMM may touch. */
  readonly folder: string;
  /** A file in it that only root may read. */
  readonly secret: string;
  /** A socket that anybody may connect to, such as a container engine's, and the number of connections. */
  readonly socket: string;
  readonly visits: () => number;
  assertUntouched(): void;
}

async function hostFiles(): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-host-'));
  await chmod(folder, 0o755);
  const [secret, socket] = [join(folder, 'secret'), join(folder, 'socket')];
  await writeFile(secret, 'a secret of the host', { mode: 0o600 });
  let visits = 0;
  const server = createServer((visitor) => {
    visits++;
    visitor.destroy();
  });
  await once(server.listen(socket), 'listening');
  await chmod(socket, 0o666);
  return {
    folder,
    secret,
    socket,
    visits: () => visits,
    assertUntouched() {
      const { uid, gid, mode } = statSync(secret);
      assert.deepEqual([readFileSync(secret, 'utf8'), uid, gid, mode & 0o777], ['a secret of the host', 0, 0, 0o600]);
      assert.deepEqual(readdirSync(folder).toSorted(), ['secret', 'socket']);
      const there = statSync(socket);
      assert.deepEqual([there.uid, there.mode & 0o777, visits], [0, 0o666, 0]);
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Runs a script as the user of a sandbox's VMM, with its groups; returns what it prints. */
function asVmm(layout: Layout, id: string, script: string, ...words: readonly string[]): string {
  const { pid } = processesNaming(layout.sockets(id))[0] ?? { pid: 0 };
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
  const [uid = '', gid = ''] = ['Uid', 'Gid'].map((name) => field(name).split(/\s+/)[0]);
  assert.notEqual(uid, '0');
  const groups = field('Groups').replaceAll(/\s+/g, ',');
  const user = [`--reuid=${uid}`, `--regid=${gid}`, groups === '' ? '--clear-groups' : `--groups=${groups}`];
  const ran = spawnSync('setpriv', [...user, '--no-new-privs', '/bin/sh', '-c', script, 'sh', ...words], {
    encoding: 'utf8',
    cwd: '/',
  });
  return ran.stdout;
}

/** Names in a folder that were replaced by links to `target`. */
const replaced = (layout: Layout, id: string, folder: string, names: readonly string[], target: string): string[] =>
  asVmm(
    layout,
    id,
    'cd "$1" || exit; target=$2; shift 2; for name; do mv -f "$name" "$name.old"; ln -sT "$target" "$name" && echo "$name"; done 2>/dev/null',
    folder,
    target,
    ...names,
  )
    .trim()
    .split('\n')
    .filter((name) => name !== '');

test('in the folders of its sandbox a captured VMM can replace nothing but its own sockets', { skip }, async () => {
  await using host = await hostFiles();
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { hypervisor: 'qemu', enableNetwork: false });
  const directory = layout.sandbox(box.id);
  const files = ['console.log', 'vmm.log', 'disk.raw', 'new'];
  assert.deepEqual(replaced(layout, box.id, directory, files, host.secret), []);
  assert.deepEqual(replaced(layout, box.id, layout.sockets(box.id), ['vmm', 'state', 'root'], host.folder), []);
  assert.deepEqual(replaced(layout, box.id, layout.sandboxes, [box.id], host.folder), []);
  assert.deepEqual(replaced(layout, box.id, layout.run, [box.id], host.folder), []);
  // Logs are written through descriptors that the VMM was given.
  const reads = asVmm(layout, box.id, 'cd "$1"; cat console.log vmm.log 2>/dev/null; echo . >>console.log', directory);
  assert.equal(reads, '');
  assert.equal((await sh(engine, box.id, 'echo alive')).stdout, 'alive\n');
  host.assertUntouched();
});

test('links in the place of its sockets, and folders beside them, lead root nowhere', { skip }, async () => {
  await using host = await hostFiles();
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { hypervisor: 'qemu', enableNetwork: false });
  // This engine's session goes on; a new session finds the replaced files.
  await engine.exec.ping(box.id);
  const folder = [join(layout.sockets(box.id), 'vmm'), layout.sockets(box.id)].find((each) =>
    existsSync(join(each, 'qmp')),
  );
  assert.ok(folder !== undefined);
  const channels = readdirSync(folder).filter((name) => name.startsWith('ch'));
  assert.equal(replaced(layout, box.id, folder, [...channels, 'qmp'], host.socket).length, channels.length + 1);
  asVmm(
    layout,
    box.id,
    'cd "$1"; mkdir -p a/b; ln -s "$2" a/b/link; ln -s "$2" link; ln -s "$2/secret" a/secret',
    folder,
    host.folder,
  );
  {
    // Stands for another process.
    await using other = await createEngine({ home: under.home.home });
    await assert.rejects(other.exec.ping(box.id), (error) => isNovaError(error, 'vmm_failed'));
    await other.sandboxes.logs(box.id);
    assert.equal((await other.sandboxes.get(box.id)).state, 'running');
  }
  await assert.rejects(engine.sandboxes.pause(box.id), (error) => isNovaError(error, 'vmm_failed'));
  host.assertUntouched();
  assert.equal((await engine.sandboxes.stop(box.id, { force: true })).state, 'stopped');
  assert.ok(!existsSync(layout.sockets(box.id)));
  host.assertUntouched();
  await engine.sandboxes.start(box.id);
  assert.equal((await sh(engine, box.id, 'echo again')).stdout, 'again\n');
  host.assertUntouched();
});

test('what a VMM of an earlier version has left in a folder that was its own is not followed', { skip }, async () => {
  await using host = await hostFiles();
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { hypervisor: 'qemu', enableNetwork: false });
  await engine.sandboxes.stop(box.id, { force: true });
  const directory = layout.sandbox(box.id);
  const links = ['console.log', 'vmm.log'];
  const plant = 'cd "$1"; target=$2; shift 2; for name; do rm -f "$name"; ln -s "$target" "$name"; done';
  spawnSync('/bin/sh', ['-c', plant, 'sh', directory, host.secret, ...links]);
  const { console, vmm } = await engine.sandboxes.logs(box.id);
  assert.deepEqual({ console, vmm }, { console: '', vmm: '' });
  await engine.sandboxes.start(box.id);
  await engine.sandboxes.stop(box.id, { force: true });
  host.assertUntouched();
  spawnSync('/bin/sh', ['-c', plant, 'sh', directory, host.secret, 'disk.raw']);
  await assert.rejects(engine.sandboxes.start(box.id), (error) => isNovaError(error, 'vmm_failed'));
  host.assertUntouched();
});

const mebibyte = 2 ** 20;
/** Space that a file takes on the disk, whatever its apparent size. */
const spaceOf = (path: string): number => statSync(path).blocks * 512;

test(
  'the console of a running guest is bounded while nobody looks, and goes on once somebody has',
  { skip },
  async () => {
    await using under = await engineUnderTest();
    const { engine, layout } = under;
    await using box = await sandbox(engine, { hypervisor: 'qemu', enableNetwork: false });
    const log = join(layout.sandbox(box.id), 'console.log');
    const { pid } = processesNaming(layout.sockets(box.id))[0] ?? { pid: 0 };
    const limit = Number(/^Max file size\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1]);
    assert.ok(limit - statSync(log).size <= 4 * mebibyte, `${limit - statSync(log).size} bytes more are let through`);
    // A guest would reach this size in the end; this is faster.
    await appendFile(log, 'x'.repeat(4 * mebibyte - 64 * 1024));
    const flood = 'head -c 262144 /dev/zero | tr "\\0" y >/dev/console; echo done';
    assert.equal((await sh(engine, box.id, flood)).stdout, 'done\n');
    assert.ok(spaceOf(log) <= 4 * mebibyte + 64 * 1024, `it takes ${spaceOf(log)} bytes`);
    assert.ok(statSync(log).size <= limit);
    assert.match((await engine.sandboxes.logs(box.id, { bytes: 100 })).console, /y$/);
    assert.ok(spaceOf(log) <= mebibyte, 'it has begun anew');
    await sh(engine, box.id, 'echo and goes on >/dev/console');
    const said = async (): Promise<string> => (await engine.sandboxes.logs(box.id)).console;
    await eventually('what is said later is in the log', async () => (await said()).includes('and goes on'));
    assert.match(await said(), /y{1000}/);
  },
);
