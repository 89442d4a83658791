import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openDatabase } from './open-database.ts';

async function databaseFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nova-database-'));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, 'a.sqlite');
}

const modeOf = (file: string): number => statSync(file).mode & 0o777;

test('a database and the files beside it are for their owner alone, whatever the umask', async (t) => {
  const file = await databaseFile(t);
  const umask = process.umask(0);
  try {
    using database = openDatabase(file);
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b)');
    for (const name of ['', '-wal', '-shm']) assert.equal(modeOf(`${file}${name}`), 0o600, name);
  } finally {
    process.umask(umask);
  }
});

test('one that an earlier version left open to others is closed, with its WAL', async (t) => {
  const file = await databaseFile(t);
  using before = openDatabase(file);
  before.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b)');
  for (const name of ['', '-wal', '-shm']) chmodSync(`${file}${name}`, 0o644);
  openDatabase(file).close();
  for (const name of ['', '-wal', '-shm']) assert.equal(modeOf(`${file}${name}`), 0o600, name);
});

test('opening one does not drop the locks that this process has of it', async (t) => {
  const file = await databaseFile(t);
  using holder = openDatabase(file);
  holder.exec('CREATE TABLE a (b); BEGIN EXCLUSIVE');
  openDatabase(file).close();
  const other = `import { DatabaseSync } from 'node:sqlite'; new DatabaseSync(process.argv[1]).exec('BEGIN EXCLUSIVE')`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', other, file], {
    encoding: 'utf8',
  });
  assert.notEqual(status, 0);
  assert.match(stderr, /database is locked/);
});
