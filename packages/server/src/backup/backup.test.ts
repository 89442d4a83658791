import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { layoutAt, openSqliteStore, ownIdentity, prepareLayout, type Layout } from '@novasandbox/engine';
import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import { openServerStore } from '../store/server-store.ts';
import { backUp } from './back-up.ts';
import { restore } from './restore.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-backup-'));
// VMMs of other users must be able to pass through.
chmodSync(folder, 0o711);
const layouts: Layout[] = [];
after(() => {
  for (const each of [folder, ...layouts.map(({ run }) => run)]) rmSync(each, { recursive: true, force: true });
});

function stateFolder(): Layout {
  const layout = layoutAt(mkdtempSync(join(folder, 'home-')));
  layouts.push(layout);
  prepareLayout(layout);
  return layout;
}

const newFile = (): string => join(mkdtempSync(join(folder, 'file-')), 'nova.tar');

function addSandbox(layout: Layout, id: string): void {
  using store = openSqliteStore(layout.storeFile, layout.reserveFile);
  const config = parse(sandboxConfigSchema, {}, 'config');
  const sizes = { memoryMb: 512, vcpus: 1, diskSizeMb: 1024 };
  store.addSandbox({
    id,
    name: null,
    owner: null,
    team: null,
    config,
    hypervisor: 'qemu',
    ...sizes,
    createdAtMs: 1,
    maker: null,
  });
}

function sandboxesOf(layout: Layout): string[] {
  using store = openSqliteStore(layout.storeFile, layout.reserveFile);
  return store.listSandboxes().map(({ id }) => id);
}

async function backupOf(layout: Layout): Promise<string> {
  const file = newFile();
  await backUp(layout, file);
  return file;
}

test('what is backed up while a daemon and others go on is all there in another state folder', async () => {
  const layout = stateFolder();
  const file = newFile();
  writeFileSync(layout.daemon.keyFile, 'nova_1\n');
  writeFileSync(layout.daemon.configFile, 'server: { port: 8001 }\n');
  {
    using daemon = openServerStore(layout.daemon.database, layout.reserveFile);
    using _store = openSqliteStore(layout.storeFile, layout.reserveFile);
    addSandbox(layout, 'first1');
    daemon.addUser({ username: 'ann', role: 'user', team: 'crew', createdAtMs: 1, password: 'x' });
    // Everything is still in the journals.
    assert.ok(statSync(`${layout.storeFile}-wal`).size > 0 && statSync(`${layout.daemon.database}-wal`).size > 0);
    const { holds, sizeBytes } = await backUp(layout, file);
    assert.deepEqual(holds, ['store.sqlite', 'server.sqlite', 'admin.key', 'config.yaml']);
    assert.deepEqual([statSync(file).size, statSync(file).mode & 0o777], [sizeBytes, 0o600]);
    daemon.removeUser('ann');
    addSandbox(layout, 'later1');
  }
  await assert.rejects(backUp(layout, file), { code: 'file_exists' });
  assert.deepEqual(readdirSync(layout.workDirectory), []);

  const other = stateFolder();
  assert.deepEqual(await restore(other, file), {
    holds: ['store.sqlite', 'server.sqlite', 'admin.key', 'config.yaml'],
    replaced: null,
  });
  assert.deepEqual(sandboxesOf(other), ['first1']);
  using daemon = openServerStore(other.daemon.database, other.reserveFile);
  assert.equal(daemon.findUser('ann')?.team, 'crew');
  assert.deepEqual(
    [readFileSync(other.daemon.keyFile, 'utf8'), statSync(other.daemon.keyFile).mode & 0o777],
    ['nova_1\n', 0o600],
  );
});

test('what was there before is kept, with what lay in its journal', async () => {
  const layout = stateFolder();
  addSandbox(layout, 'before1');
  const file = await backupOf(layout);
  // A process that is killed leaves its journal.
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(import.meta.resolve('@novasandbox/engine'))});
    const store = openSqliteStore(${JSON.stringify(layout.storeFile)}, ${JSON.stringify(layout.reserveFile)});
    store.removeSandbox('before1');
    process.kill(process.pid, 'SIGKILL');`;
  assert.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }));
  assert.ok(statSync(`${layout.storeFile}-wal`).size > 0);
  const { replaced } = await restore(layout, file);
  assert.deepEqual(sandboxesOf(layout), ['before1']);
  using before = new DatabaseSync(join(replaced ?? '', 'store.sqlite'));
  assert.equal(before.prepare('SELECT count(*) AS n FROM sandboxes').get()?.['n'], 0);
});

test('a damaged database is replaced', async () => {
  const layout = stateFolder();
  addSandbox(layout, 'whole1');
  const file = await backupOf(layout);
  const damaged = 'no database at all'.repeat(1000);
  writeFileSync(layout.storeFile, damaged);
  const { replaced } = await restore(layout, file);
  assert.deepEqual(sandboxesOf(layout), ['whole1']);
  assert.equal(readFileSync(join(replaced ?? '', 'store.sqlite'), 'utf8'), damaged);
});

test('nothing is restored while a daemon, another process or a sandbox uses the state folder', async () => {
  const layout = stateFolder();
  addSandbox(layout, 'here1');
  const file = await backupOf(layout);
  {
    using _daemon = openServerStore(layout.daemon.database, layout.reserveFile);
    await assert.rejects(restore(layout, file), { code: 'set_up_failed', message: /Another daemon/ });
  }
  {
    using store = openSqliteStore(layout.storeFile, layout.reserveFile);
    await assert.rejects(restore(layout, file), { code: 'conflict' });
    store.removeSandbox('here1');
  }
  {
    // A VMM has the path of its socket on its command line.
    const socket = join(layout.run, 'here1', 'vmm', 'socket');
    const vmm = spawn(process.execPath, ['-e', 'process.stdout.write("on"); process.stdin.resume()', socket]);
    await once(vmm.stdout, 'data');
    await assert.rejects(restore(layout, file), { code: 'conflict', message: /Sandboxes of the state folder run/ });
    vmm.stdin.end();
    await once(vmm, 'exit');
  }
  assert.deepEqual(sandboxesOf(layout), []);
  {
    using store = openSqliteStore(layout.storeFile, layout.reserveFile);
    const machine = {
      driver: 'qemu',
      id: 'runs1',
      directory: '/',
      socketDirectory: '/',
      channels: 1,
      cgroup: null,
    } as const;
    addSandbox(layout, 'runs1');
    store.changeSandbox('runs1', ['creating'], { state: 'running', machine: { ...machine, ...ownIdentity() } });
  }
  await assert.rejects(restore(layout, file), { code: 'conflict', message: /Sandboxes of the state folder run/ });
  {
    using store = openSqliteStore(layout.storeFile, layout.reserveFile);
    store.removeSandbox('runs1');
  }
  await restore(layout, file);
  assert.deepEqual(sandboxesOf(layout), ['here1']);
});

test('what is no backup, damaged, or of a newer version is refused, and nothing is changed', async () => {
  const layout = stateFolder();
  addSandbox(layout, 'stays1');
  const parts = mkdtempSync(join(folder, 'parts-'));
  execFileSync('tar', ['-xf', await backupOf(layout), '-C', parts]);
  const whole = readFileSync(join(parts, 'store.sqlite'));
  const packed = (...names: string[]): string => {
    const file = newFile();
    execFileSync('tar', ['-cf', file, '-C', parts, ...names]);
    return file;
  };
  const text = newFile();
  writeFileSync(text, 'no archive');
  const cases: [string, string, RegExp][] = [
    [text, 'invalid_argument', /tar cannot read it/],
    [join(folder, 'missing.tar'), 'invalid_argument', /tar cannot read it/],
  ];
  writeFileSync(join(parts, 'other'), '');
  cases.push([packed('other'), 'invalid_argument', /neither/]);
  writeFileSync(
    join(parts, 'store.sqlite'),
    Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096, 7)]),
  );
  cases.push([packed('store.sqlite'), 'invalid_argument', /damaged/]);
  writeFileSync(join(parts, 'store.sqlite'), whole);
  {
    using db = new DatabaseSync(join(parts, 'store.sqlite'));
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 99');
  }
  cases.push([packed('store.sqlite'), 'set_up_failed', /newer version/]);
  rmSync(join(parts, 'store.sqlite'));
  symlinkSync('/etc/passwd', join(parts, 'store.sqlite'));
  cases.push([packed('store.sqlite'), 'invalid_argument', /no plain file/]);
  for (const [file, code, message] of cases) await assert.rejects(restore(layout, file), { code, message });
  assert.deepEqual(sandboxesOf(layout), ['stays1']);
  assert.deepEqual(readdirSync(layout.workDirectory), []);
  await assert.rejects(backUp(stateFolder(), newFile()), { code: 'invalid_argument', message: /nothing/ });
  for (const name of ['restoring-', 'replaced-'])
    assert.ok(!readdirSync(layout.home).some((each) => each.startsWith(name)));
  await assert.rejects(backUp(layout, join(folder, 'missing', 'nova.tar')), {
    code: 'invalid_argument',
    message: /cannot be written/,
  });
  const aborted = newFile();
  await assert.rejects(backUp(layout, aborted, { signal: AbortSignal.abort() }));
  assert.ok(!existsSync(aborted));
});
