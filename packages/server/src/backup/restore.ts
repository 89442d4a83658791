import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import {
  isAlive,
  openDatabase,
  openSqliteStore,
  prepareLayout,
  processesNaming,
  type Layout,
} from '@novasandbox/engine';
import { isNovaError, NovaError, toNovaError } from '@novasandbox/protocol';
import { lockForOneDaemon, openServerStore } from '../store/server-store.ts';
import { databasesOf, namesOf, tar } from './contents.ts';

export interface Restored {
  /** Names of the restored files. */
  readonly holds: readonly string[];
  /** Folder that keeps the replaced files; null where there were none. */
  readonly replaced: string | null;
}

/**
 * Replaces the files of a state folder by those of a backup. Nothing is changed until the whole backup is known to be
 * undamaged and of a version that this one can read. The replaced files are kept in a folder beside the new ones.
 *
 * @throws NovaError `invalid_argument` where the file is no backup; `set_up_failed` where a newer version wrote it or a
 * daemon uses the state folder; `conflict` where a process or a running sandbox uses it; `host_resource_exhausted`,
 * `storage_failed`, `cancelled`
 */
export async function restore(
  layout: Layout,
  file: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Restored> {
  prepareLayout(layout);
  requireNoMachines(layout);
  await using undo = new AsyncDisposableStack();
  // Files are unpacked inside the state folder, so that a rename moves them into place in one step.
  const work = await mkdtemp(join(layout.home, 'restoring-'));
  undo.defer(() => rm(work, { recursive: true, force: true }));
  const holds = await unpack(layout, file, work, signal);
  // Opening a database migrates it to the layout of this version, and refuses a newer layout.
  const reserve = join(work, 'reserve');
  for (const [at, openStore] of [
    [layout.storeFile, openSqliteStore],
    [layout.daemon.database, openServerStore],
  ] as const) {
    const name = basename(at);
    if (holds.includes(name)) openStore(join(work, name), reserve)[Symbol.dispose]();
  }
  for (const name of holds) await flush(join(work, name));
  signal?.throwIfAborted();
  undo.use(lockForOneDaemon(layout.daemon.database));
  for (const each of databasesOf(layout)) {
    const taken = takeOver(each);
    if (taken === null) continue;
    undo.use(taken);
    if (each === layout.storeFile) requireNoMachinesIn(taken);
  }
  const replaced = await moveAway(layout);
  for (const name of holds) await rename(join(work, name), join(layout.home, name));
  return { holds, replaced };
}

/**
 * A running machine has its disk open. The restored store may not know the machine, and would start another one on that
 * disk.
 */
function requireNoMachines(layout: Layout): void {
  refuse([layout.run, layout.sandboxes].flatMap((folder) => processesNaming(folder)));
}

/**
 * Makes the same check with the store that is replaced, whatever the version of its layout: hosts other than Linux do
 * not tell the arguments of a process.
 */
function requireNoMachinesIn(store: DatabaseSync): void {
  let rows: Record<string, unknown>[];
  try {
    rows = store
      .prepare(
        `SELECT record ->> '$.machine.pid' AS pid, record ->> '$.machine.startTime' AS start_time FROM sandboxes
         WHERE iif(json_valid(record), record ->> '$.machine.pid', NULL) IS NOT NULL`,
      )
      .all();
  } catch {
    // A damaged database may be what the restore is for.
    return;
  }
  const machines = rows.map((row) => ({ pid: Number(row['pid']), startTime: String(row['start_time']) }));
  refuse(machines.filter((machine) => isAlive(machine)));
}

function refuse(running: readonly { readonly pid: number }[]): void {
  if (running.length === 0) return;
  throw new NovaError('conflict', 'Sandboxes of the state folder run.', {
    hint: 'Stop them with `nova stop $(nova ls -q)`, end the daemon, and repeat the restore.',
    details: { pids: [...new Set(running.map(({ pid }) => pid))] },
  });
}

/** Flushes the file to disk, so that a power cut after the rename does not leave an empty file. */
async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

/** Unpacks the files of a backup into `work` and returns their names. Nothing else is unpacked. */
async function unpack(
  layout: Layout,
  file: string,
  work: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const noBackup = (why: string, cause?: unknown): NovaError =>
    new NovaError('invalid_argument', `${file} is no backup of a state folder: ${why}.`, {
      hint: 'Name a file that `nova backup` has written.',
      cause,
    });
  const listed = await tar(['-tf', file], signal).catch((error: unknown) => {
    throw isNovaError(error, 'cancelled') ? error : noBackup('tar cannot read it', error);
  });
  const found = new Set(listed.split('\n'));
  const holds = namesOf(layout).filter((name) => found.has(name));
  const databases = databasesOf(layout).map((each) => basename(each));
  if (!databases.some((name) => found.has(name))) throw noBackup(`it holds neither ${databases.join(' nor ')}`);
  await tar(['-xf', file, '-C', work, '--no-same-owner', '--', ...holds], signal);
  for (const name of holds) {
    // A link would put a file of the host in the place of a file of the state folder.
    if (!(await lstat(join(work, name))).isFile()) throw noBackup(`${name} in it is no plain file`);
    await chmod(join(work, name), 0o600);
  }
  for (const name of databases.filter((each) => holds.includes(each))) {
    const problem = whyNotSound(join(work, name));
    if (problem !== null) throw noBackup(`${name} in it is damaged (${problem})`);
  }
  return holds;
}

function whyNotSound(file: string): string | null {
  const db = openDatabase(file);
  try {
    const found = String(db.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
    return found === 'ok' ? null : found;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    db.close();
  }
}

/**
 * Locks a database against all other processes until the result is closed, and merges its journal into it. Returns null
 * when there is no database.
 */
function takeOver(file: string): DatabaseSync | null {
  if (!existsSync(file)) return null;
  const db = openDatabase(file, { timeout: 1000 });
  try {
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = DELETE').get() ?? {};
    if (mode !== 'delete') throw inUse(file);
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    const { code, message } = toNovaError(error);
    // A damaged database needs no lock: nobody can work with it, and it is about to be replaced.
    if (code === 'storage_failed' && /damaged/.test(message)) return db;
    db.close();
    throw /locked|busy/.test(String(error)) ? inUse(file, error) : error;
  }
  return db;
}

const inUse = (file: string, cause?: unknown): NovaError =>
  new NovaError('conflict', `Another process uses ${file}.`, {
    hint: 'End the daemon and all programs that use the state folder, and repeat the restore.',
    cause,
  });

/** Moves the files that a backup replaces into a folder of their own; null when there are none. */
async function moveAway(layout: Layout): Promise<string | null> {
  const names = namesOf(layout)
    .flatMap((name) => ['', '-wal', '-shm', '-journal'].map((suffix) => `${name}${suffix}`))
    .filter((name) => existsSync(join(layout.home, name)));
  if (names.length === 0) return null;
  const folder = join(layout.home, `replaced-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  await mkdir(folder, { mode: 0o700 });
  for (const name of names) await rename(join(layout.home, name), join(folder, name));
  return folder;
}
