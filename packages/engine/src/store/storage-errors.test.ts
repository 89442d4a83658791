import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { parse, sandboxConfigSchema, toNovaError, type ErrorCode } from '@novasandbox/protocol';
import { openSqliteStore } from './sqlite.ts';
import { transactionsOf } from './transaction.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-storage-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function told(work: () => unknown): [ErrorCode, string] {
  try {
    work();
  } catch (error) {
    const { code, message } = toNovaError(error);
    return [code, message];
  }
  return assert.fail('it did not fail');
}

test('what SQLite and the file system throw is told by what can be done about it', () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE things (thing TEXT); PRAGMA max_page_count = 4;');
  const [full, why] = told(() => {
    for (;;) db.prepare('INSERT INTO things VALUES (?)').run('x'.repeat(1000));
  });
  assert.deepEqual([full, /disk is full/.test(why)], ['host_resource_exhausted', true]);
  db.exec('PRAGMA query_only = ON');
  assert.equal(told(() => db.exec('DELETE FROM things'))[0], 'storage_failed');
  const damaged = join(folder, 'damaged.sqlite');
  writeFileSync(damaged, 'no database at all'.repeat(1000));
  const [code, message] = told(() => openSqliteStore(damaged, join(folder, 'reserve')));
  assert.deepEqual([code, /damaged/.test(message)], ['storage_failed', true]);
  for (const [system, expected] of [
    ['ENOSPC', 'host_resource_exhausted'],
    ['EROFS', 'storage_failed'],
    ['EIO', 'storage_failed'],
    ['EPERM', 'internal'],
  ] as const) {
    assert.equal(toNovaError(Object.assign(new Error('x'), { code: system })).code, expected, system);
  }
});

test('a rollback that fails does not hide why it was needed', () => {
  using db = new DatabaseSync(':memory:');
  const transaction = transactionsOf(db);
  const work = (): void =>
    transaction(() => {
      // SQLite does so itself when it finds the disk full.
      db.exec('ROLLBACK');
      throw new Error('the cause');
    });
  assert.throws(work, /the cause/);
  assert.equal(
    transaction(() => 'goes on'),
    'goes on',
  );
});

test('a damaged record is listed as such, keeps nobody from seeing the others, and can be removed', () => {
  const file = join(folder, 'records.sqlite');
  using store = openSqliteStore(file, join(folder, 'reserve'));
  const whole = store.addSandbox({
    id: 'made1',
    name: null,
    owner: null,
    team: null,
    config: parse(sandboxConfigSchema, {}, 'config'),
    hypervisor: 'qemu',
    memoryMb: 512,
    vcpus: 1,
    diskSizeMb: 1024,
    createdAtMs: 1,
    maker: null,
  });
  store.removeSandbox('made1');
  {
    using db = new DatabaseSync(file);
    const add = db.prepare('INSERT INTO sandboxes (id, owner, name, state, record) VALUES (?, ?, ?, ?, ?)');
    add.run('cut1', null, 'box', 'running', '{"id":"cut1","env":{"TOKEN":"secret');
    add.run('empty1', null, null, 'stopped', '{}');
    add.run('whole1', null, null, 'stopped', JSON.stringify({ ...whole, id: 'whole1', state: 'stopped' }));
    add.run(
      'wrong1',
      null,
      null,
      'stopped',
      JSON.stringify({ ...whole, id: 'wrong1', state: 'stopped', vcpus: 'two' }),
    );
  }
  assert.deepEqual(
    store.listSandboxes().map(({ id, state }) => [id, state]),
    [
      ['cut1', 'failed'],
      ['empty1', 'failed'],
      ['whole1', 'stopped'],
      ['wrong1', 'failed'],
    ],
  );
  assert.match(store.findSandbox('wrong1')?.reason ?? '', /damaged.*vcpus/);
  store.removeSandbox('wrong1');
  const { reason } = store.findSandbox('box') ?? {};
  assert.match(reason ?? '', /damaged/);
  assert.doesNotMatch(reason ?? '', /secret/);
  assert.equal(store.changeSandbox('cut1', ['running'], { state: 'stopping' }), null);
  store.removeSandbox('cut1');
  assert.equal(store.listSandboxes().length, 2);
});
