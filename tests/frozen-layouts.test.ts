import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import type { SandboxRecord } from '../packages/engine/src/ports/store.ts';
import { openSlotRegistry } from '../packages/engine/src/store/slot-registry.ts';
import { openSqliteStore } from '../packages/engine/src/store/sqlite.ts';
import { openUidRegistry } from '../packages/engine/src/store/uid-registry.ts';
import { openServerStore } from '../packages/server/src/store/server-store.ts';

/*
 * tests/frozen-layouts contains a dump of each kind of database in each released layout, written by the code of its
 * time. A new layout adds a file; existing files never change.
 */

const folder = mkdtempSync(join(tmpdir(), 'nova-layouts-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const reserve = join(folder, 'reserve');

interface Kind {
  readonly name: string;
  /** The layout of this version. */
  readonly layout: number;
  readonly keepsCopy: boolean;
  open(file: string): Disposable;
  /** Checks that the content of the frozen file can be used. */
  use(file: string): void;
}

const volume = { owner: null, team: null, sizeMb: 2048, createdAtMs: 1_763_800_000_000, maker: null };

const network = {
  owner: null,
  team: null,
  isolation: 'minimal',
  bridge: 'br0',
  createdAtMs: 1_763_800_000_000,
} as const;

const store: Kind = {
  name: 'store',
  layout: 6,
  keepsCopy: true,
  open: (file) => openSqliteStore(file, reserve),
  use(file) {
    using opened = openSqliteStore(file, reserve);
    const records = opened.listSandboxes();
    assert.deepEqual(
      records.map(({ sequence, state, maker, machine }) => [sequence, state, maker?.pid, machine?.pid]),
      [
        [1, 'stopped', undefined, undefined],
        [2, 'running', undefined, 4243],
        [3, 'creating', 4242, undefined],
      ],
    );
    const [box] = records as [SandboxRecord];
    assert.deepEqual([box.config.env, box.config.extraDrives.length], [{ LANG: 'C.UTF-8', EMPTY: '' }, 1]);
    // Fields that did not exist yet have their defaults.
    for (const { config } of records)
      assert.deepEqual([typeof config.hyperv, typeof config.rateLimits], ['boolean', 'object']);
    assert.equal(opened.changeSandbox(box.id, ['stopped'], { state: 'creating' })?.state, 'creating');
    assert.deepEqual(opened.findSandbox('box'), { ...box, state: 'creating' });
    const [snapshot] = opened.listSnapshots();
    if (snapshot !== undefined)
      assert.deepEqual(
        [snapshot.id, snapshot.sandboxId, snapshot.kind, snapshot.config.memoryMb, snapshot.bootedFrom?.network],
        ['snapa1b2c3d4e5f6g7h8', 'box1aaaaaaaaaaaaaaaa', 'memory', 1024, 'slot'],
      );
    assert.equal(opened.takeLease('run2bbbbbbbbbbbbbbbb', 16), 0);
    const { sequence: _, ...another } = box;
    assert.equal(opened.addSandbox({ ...another, id: 'next0000000000000000', name: 'next' }).sequence, 5);
    opened.addVolume({ ...volume, id: 'new0', name: 'new' });
    assert.deepEqual(opened.takeVolumes(box.id, [{ volumeId: 'new0', readOnly: true }]), []);
    const policy = opened.policyNamed('web', 'user:ann');
    if (policy !== null) {
      assert.deepEqual([policy.policy.otherwise, opened.removePolicy(policy.id)], ['ask', []]);
      assert.equal(opened.listApprovals(box.id)[0]?.scope, 'session');
    }
    opened.addNetwork({ ...network, id: 'new0', name: 'new', subnet: null });
    opened.joinNetworks(box.id, ['new0']);
    assert.equal(opened.membershipsOf(box.id)[0]?.network.name, 'new');
    opened.removeSandbox(box.id);
    assert.deepEqual(opened.removeNetwork('new0'), []);
  },
};

const server: Kind = {
  name: 'server',
  layout: 5,
  keepsCopy: true,
  open: (file) => openServerStore(file, reserve),
  use(file) {
    using opened = openServerStore(file, reserve);
    assert.deepEqual(
      opened.keys().map(({ id, role, username, team, scopes, revoked }) => [id, role, username, team, scopes, revoked]),
      [
        ['admin', 'admin', null, null, [], false],
        ['a1b2c3d4e5f6', 'user', null, 'key:a1b2c3d4e5f6', ['vm:read', 'vm:create'], false],
        ['0f0e0d0c0b0a', 'readonly', null, 'key:0f0e0d0c0b0a', [], true],
      ],
    );
    assert.deepEqual([opened.findUser('ann')?.role, opened.users()[0]?.team], ['power_user', 'user:ann']);
    assert.equal(opened.isTokenRevoked('3b0c6a9e-0000-4000-8000-000000000001'), true);
    assert.equal(opened.findAnswer('5'.repeat(64), 0)?.status, 201);
    assert.equal(opened.idleTimeouts().get('box1aaaaaaaaaaaaaaaa'), 900_000);
    opened.putLoginFailures('bob', { count: 1, lastMs: 1 });
    opened.putForward({ id: 'f2', vmId: 'v', hostPort: 1, guestPort: 2 });
    const preview = { vmId: 'v', port: 80, hash: 'h', expiresAtMs: 1, rewriteHost: true };
    opened.putPreview({ ...preview, id: 'p2' });
    assert.deepEqual(opened.previews().at(-1), { ...preview, id: 'p2' });
  },
};

const slots: Kind = {
  name: 'slots',
  layout: 1,
  keepsCopy: false,
  open: (file) => openSlotRegistry(file, 4),
  use(file) {
    using opened = openSlotRegistry(file, 4);
    assert.deepEqual(
      opened.list().map(({ state, forwards }) => [state, forwards]),
      [
        ['held', [{ hostPort: 18_080, guestPort: 80 }]],
        ['ready', []],
      ],
    );
    assert.equal(opened.reserve(null, [])?.number, 3);
  },
};

const uids: Kind = {
  name: 'uids',
  layout: 1,
  keepsCopy: false,
  open: (file) => openUidRegistry(file, { lowest: 600_000, count: 4 }),
  use(file) {
    using opened = openUidRegistry(file, { lowest: 600_000, count: 4 });
    assert.equal(
      opened.claim(() => true),
      600_002,
    );
  },
};

const kinds = [store, server, slots, uids];
const each = kinds.flatMap((kind) => Array.from({ length: kind.layout }, (_, index) => ({ kind, layout: index + 1 })));

function thaw({ name }: Kind, layout: number, more = ''): string {
  const file = join(mkdtempSync(join(folder, `${name}-`)), `${name}.sqlite`);
  using db = new DatabaseSync(file);
  db.exec(readFileSync(join(import.meta.dirname, 'frozen-layouts', `${name}-${layout}.sql`), 'utf8'));
  db.exec(more);
  return file;
}

function look(file: string): { readonly layout: unknown; readonly schema: unknown[] } {
  using db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare('SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name').all();
  return {
    layout: db.prepare('PRAGMA user_version').get()?.['user_version'],
    schema: rows.map(({ type, name, sql }) => [type, name, String(sql).replaceAll('"', '').replaceAll(/\s+/g, ' ')]),
  };
}

for (const { kind, layout } of each) {
  test(`${kind.name}, layout ${layout}: all that it holds is there in this version, in the same tables as a new one has`, () => {
    const fresh = join(folder, `${kind.name}-${layout}-fresh.sqlite`);
    kind.open(fresh)[Symbol.dispose]();
    const file = thaw(kind, layout);
    const before = look(file);
    kind.open(file)[Symbol.dispose]();
    assert.deepEqual(look(file), look(fresh));
    assert.equal(look(file).layout, kind.layout);
    kind.use(file);
    const copy = `${file}.layout-${layout}`;
    const kept = kind.keepsCopy && layout < kind.layout;
    assert.equal(existsSync(copy), kept);
    if (kept) assert.deepEqual([look(copy), statSync(copy).mode & 0o777], [before, 0o600]);
  });
}

test('store, layout 4: volumes, who has them, and which are half-made', () => {
  using opened = openSqliteStore(thaw(store, 4), reserve);
  const cache = { ...volume, id: 'vol1aaaaaaaaaaaaaaaa', name: 'cache' };
  const anns = { owner: 'user:ann', team: 'crew', sizeMb: 64, maker: { pid: 4242, startTime: '123456' } };
  assert.deepEqual(opened.listVolumes(), [cache, { ...cache, ...anns, id: 'vol2bbbbbbbbbbbbbbbb' }]);
  assert.deepEqual(opened.findVolume('cache'), cache);
  const use = { volumeId: cache.id, sandboxId: 'run2bbbbbbbbbbbbbbbb', position: 0, readOnly: false, held: true };
  assert.deepEqual(opened.usesOf(cache.id), [use]);
  assert.deepEqual(opened.takeVolumes('box1aaaaaaaaaaaaaaaa', [{ volumeId: cache.id, readOnly: true }]), [use]);
});

test('store, layout 6: private networks and their members', () => {
  using opened = openSqliteStore(thaw(store, 6), reserve);
  const backend = { ...network, id: 'net1aaaaaaaaaaaaaaaa', name: 'backend', subnet: '10.20.0.0/24' };
  const anns = { id: 'net2bbbbbbbbbbbbbbbb', owner: 'user:ann', team: 'crew', isolation: 'strict' };
  assert.deepEqual(opened.listNetworks(), [backend, { ...backend, ...anns, subnet: '10.128.0.0/24' }]);
  const membership = { network: backend, sandboxId: 'run2bbbbbbbbbbbbbbbb', address: '10.20.0.2' };
  assert.deepEqual(opened.membersOf(backend.id), [membership]);
  // Its address is not given to the next one, even where it has gone.
  opened.removeSandbox(membership.sandboxId);
  opened.joinNetworks('box1aaaaaaaaaaaaaaaa', [backend.id]);
  assert.equal(opened.membersOf(backend.id)[0]?.address, '10.20.0.3');
});

test('a file of a newer version is refused with the remedy, and nothing of it is changed', () => {
  for (const kind of kinds) {
    const file = thaw(kind, kind.layout, `PRAGMA user_version = ${kind.layout + 1}`);
    const before = readFileSync(file);
    assert.throws(
      () => kind.open(file),
      (error: Error & { code?: string; hint?: string }) =>
        error.code === 'set_up_failed' && /newer version/.test(error.message) && /that version/.test(error.hint ?? ''),
    );
    assert.deepEqual(readFileSync(file), before, kind.name);
  }
});

test('a process that goes on after a newer version has upgraded the file writes nothing into it', () => {
  const file = thaw(store, store.layout);
  using older = openSqliteStore(file, reserve);
  using db = new DatabaseSync(file);
  db.exec(`PRAGMA user_version = ${store.layout + 1}`);
  assert.throws(() => older.changeSandbox('box1aaaaaaaaaaaaaaaa', ['stopped'], { state: 'creating' }), {
    code: 'set_up_failed',
  });
  assert.equal(db.prepare("SELECT state FROM sandboxes WHERE name = 'box'").get()?.['state'], 'stopped');
});

test('damaged rows in an old file neither stop the upgrade nor hide the others', () => {
  const sandboxes = thaw(store, 1, `UPDATE sandboxes SET record = '{"id":' WHERE sequence = 2`);
  using opened = openSqliteStore(sandboxes, reserve);
  assert.deepEqual(
    opened.listSandboxes().map(({ state, reason }) => [state, /damaged/.test(reason ?? '')]),
    [
      ['stopped', false],
      ['failed', true],
      ['creating', false],
    ],
  );
  const daemon = thaw(server, 1, `UPDATE keys SET row = '' WHERE id <> 'admin'; UPDATE users SET row = '[]';`);
  using upgraded = openServerStore(daemon, reserve);
  assert.deepEqual(
    [upgraded.keys().map(({ id }) => id), upgraded.users(), upgraded.findUser('ann')],
    [['admin'], [], null],
  );
  assert.equal(upgraded.removeUser('ann'), true);
});

test('an upgrade that fails leaves the file as it was', () => {
  const file = thaw(store, 1, 'CREATE TABLE owned_sandboxes (in_the_way TEXT)');
  const before = look(file);
  assert.throws(() => store.open(file), /already exists/);
  assert.deepEqual(look(file), before);
});

test('of processes that open an old file at once one upgrades it, and all can use it', async () => {
  const file = thaw(store, 1);
  const source = new URL('../packages/engine/src/store/sqlite.ts', import.meta.url).href;
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(source)});
    using store = openSqliteStore(${JSON.stringify(file)}, ${JSON.stringify(reserve)});
    process.stdout.write(String(store.listSandboxes().length));`;
  const run = promisify(execFile);
  const outputs = await Promise.all(
    Array.from({ length: 4 }, () => run(process.execPath, ['--input-type=module', '-e', script])),
  );
  assert.deepEqual(
    outputs.map(({ stdout }) => stdout),
    ['3', '3', '3', '3'],
  );
  assert.equal(look(file).layout, store.layout);
});
