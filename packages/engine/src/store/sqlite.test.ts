import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { parse, sandboxConfigSchema, sandboxStateSchema, transitions, type Scope } from '@novasandbox/protocol';
import type { NewSandbox } from '../ports/store.ts';
import { openSqliteStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-store-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Records as the first version wrote them. */
const firstRecord = JSON.stringify({
  id: 'aaaa1',
  name: 'box',
  state: 'stopped',
  config: {},
  hypervisor: 'qemu',
  memoryMb: 512,
  vcpus: 1,
  diskSizeMb: 1024,
  createdAtMs: 1,
  startedAtMs: null,
  stoppedAtMs: null,
  expiresAtMs: null,
  pausedAtMs: null,
  bootTimeMs: null,
  bootKind: null,
  accelerator: null,
  machine: null,
  maker: null,
  reason: null,
});

const made = (id: string, name: string | null, owner: string | null, team: string | null = owner): NewSandbox => ({
  id,
  name,
  owner,
  team,
  config: parse(sandboxConfigSchema, {}, 'config'),
  hypervisor: 'qemu',
  memoryMb: 512,
  vcpus: 1,
  diskSizeMb: 1024,
  createdAtMs: 1,
  maker: null,
});

test('a store of the version before: its sandboxes belong to the host, and running numbers go on', () => {
  const file = join(folder, 'before.sqlite');
  {
    const db = new DatabaseSync(file);
    db.exec(`
      CREATE TABLE sandboxes (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT UNIQUE, state TEXT NOT NULL, record TEXT NOT NULL
      ) STRICT;
      CREATE INDEX sandboxes_by_state ON sandboxes (state);
      CREATE TABLE leases (
        thing TEXT NOT NULL, number INTEGER NOT NULL, pid INTEGER NOT NULL, start_time TEXT NOT NULL, PRIMARY KEY (thing, number)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO sandboxes VALUES (7, 'aaaa1', 'box', 'stopped', '${firstRecord}');
      INSERT INTO sandboxes VALUES (9, 'bbbb1', NULL, 'stopped', '{}');
      DELETE FROM sandboxes WHERE sequence = 9;
      PRAGMA user_version = 1;
    `);
    db.close();
  }
  for (const reopened of [false, true]) {
    using store = openSqliteStore(file, join(folder, 'reserve'));
    const { id, owner, team, state, sequence } = store.findSandbox('box') ?? {};
    assert.deepEqual([id, owner, team, state, sequence], ['aaaa1', null, null, 'stopped', 7]);
    if (!reopened) assert.equal(store.addSandbox(made('cccc1', 'other', null)).sequence, 10);
  }
});

test('names are unique among the sandboxes of one owner, and are looked up within a scope', () => {
  using store = openSqliteStore(join(folder, 'owners.sqlite'), join(folder, 'reserve'));
  store.addSandbox(made('anna1', 'box', 'ann', 'crew'));
  store.addSandbox(made('bobb1', 'box', 'bob'));
  store.addSandbox(made('cora1', 'box', 'cora', 'crew'));
  store.addSandbox(made('annb2', 'anna1x', 'ann', 'crew'));
  for (const owner of ['ann', 'bob']) {
    assert.throws(() => store.addSandbox(made('dddd1', 'box', owner)), { code: 'sandbox_exists' });
  }
  const find = (ref: string, scope?: Scope): string | undefined => store.findSandbox(ref, scope)?.id;
  const [ann, bob] = (['ann', 'bob'] as const).map((owner): Scope => ({ of: 'owner', owner }));
  const team = (owner: string): Scope => ({ of: 'team', owner, team: 'crew' });
  assert.deepEqual([find('box', ann), find('box', bob), find('box', team('cora'))], ['anna1', 'bobb1', 'cora1']);
  assert.throws(() => find('box'), { code: 'conflict' });
  assert.throws(() => find('box', team('lead')), { code: 'conflict' });
  // Only the caller's own sandboxes are found, whether by id, name or prefix.
  for (const ref of ['anna1', 'annb2', 'anna1x', 'anna', 'annb']) assert.equal(find(ref, bob), undefined, ref);
  assert.deepEqual([find('anna', ann), find('annb', team('lead'))], ['anna1', 'annb2']);
  assert.deepEqual(
    [find('anna1', { of: 'one', id: 'bobb1' }), find('bobb1', { of: 'one', id: 'bobb1' })],
    [undefined, 'bobb1'],
  );
  store.addSandbox(made('eeee1', 'box', null));
  assert.equal(find('box'), 'eeee1');
  assert.throws(() => store.addSandbox(made('ffff1', 'box', null)), { code: 'sandbox_exists' });
});

test('a stored record keeps labels that callers may not set, and what another version has put into it', () => {
  const file = join(folder, 'kept.sqlite');
  using store = openSqliteStore(file, join(folder, 'reserve'));
  const labels = { 'novasandbox.public': 'true' };
  const sandbox = made('gggg1', null, null);
  store.addSandbox({ ...sandbox, config: { ...sandbox.config, labels } });
  using db = new DatabaseSync(file);
  db.exec(`UPDATE sandboxes SET record = json_set(record, '$.later', 1, '$.config.later', 2)`);
  store.changeSandbox('gggg1', ['creating'], { state: 'stopped' });
  const { state, config } = store.findSandbox('gggg1') ?? {};
  assert.deepEqual([state, config?.labels], ['stopped', labels]);
  assert.deepEqual(
    { ...db.prepare(`SELECT record ->> '$.later' AS one, record ->> '$.config.later' AS two FROM sandboxes`).get() },
    { one: 1, two: 2 },
  );
});

test('a change that the table of transitions does not allow throws, whatever the state is', () => {
  using store = openSqliteStore(join(folder, 'transitions.sqlite'), join(folder, 'reserve'));
  store.addSandbox(made('hhhh1', null, null));
  for (const from of sandboxStateSchema.options)
    for (const to of sandboxStateSchema.options) {
      const change = (): unknown => store.changeSandbox('unknown', [from], { state: to });
      if (from === to || transitions[from].includes(to)) assert.equal(change(), null, `${from} to ${to}`);
      else assert.throws(change, new RegExp(`is ${from} cannot become ${to}`));
    }
  assert.throws(() => store.changeSandbox('hhhh1', ['creating'], { state: 'paused' }), /cannot become paused/);
  assert.throws(() => store.changeSandbox('hhhh1', ['running'], { state: 'stopped' }), /cannot become stopped/);
  assert.equal(store.findSandbox('hhhh1')?.state, 'creating');
  for (const [from, to] of [
    ['creating', 'running'],
    ['running', 'paused'],
    ['paused', 'stopping'],
    ['stopping', 'stopped'],
    ['stopped', 'creating'],
  ] as const)
    assert.equal(store.changeSandbox('hhhh1', [from], { state: to })?.state, to);
});

test('a change can hold for as long as machine and maker are those that were seen', () => {
  using store = openSqliteStore(join(folder, 'unchanged.sqlite'), join(folder, 'reserve'));
  const [one, other] = [
    { pid: 1, startTime: 'a' },
    { pid: 1, startTime: 'b' },
  ];
  store.addSandbox({ ...made('iiii1', null, null), maker: one });
  const change = (maker: typeof one | null): unknown =>
    store.changeSandbox('iiii1', ['creating'], { reason: 'changed' }, { maker, machine: null });
  assert.equal(change(other), null);
  assert.equal(change(null), null);
  assert.equal(store.findSandbox('iiii1')?.reason, null);
  assert.notEqual(change(one), null);
});
