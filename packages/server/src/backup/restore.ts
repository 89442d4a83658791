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
  /** Names of what was restored. */
  readonly holds: readonly string[];
  /** Folder of what was there before; null where there was nothing. */
  readonly replaced: string | null;
}

/**
 * Puts what a backup holds in the place of what a state folder has. Nothing is changed before all of it is known to be whole and of a version that
 * this one can read; what was there is kept beside it.
 *
 * @throws NovaError `invalid_argument` where the file is no backup; `set_up_failed` where a newer version wrote it or a daemon uses the state folder;
 * `conflict` where a process or a running sandbox uses it; `host_resource_exhausted`, `storage_failed`, `cancelled`
 */
export async function restore(
  layout: Layout,
  file: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Restored> {
  prepareLayout(layout);
  requireNoMachines(layout);
  await using undo = new AsyncDisposableStack();
  // In the state folder itself, so that it takes its place in one step, whatever `work` leads to.
  const work = await mkdtemp(join(layout.home, 'restoring-'));
  undo.defer(() => rm(work, { recursive: true, force: true }));
  const holds = await unpack(layout, file, work, signal);
  // Opening them brings them to the layout of this version, and refuses those of a newer one.
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

/** A machine that runs on has its disk open: the store that is restored may not know it, and would start another one on that disk. */
function requireNoMachines(layout: Layout): void {
  refuse([layout.run, layout.sandboxes].flatMap((folder) => processesNaming(folder)));
}

/** The same by what the store says that is replaced, in whatever layout: hosts other than Linux do not tell what a process names. */
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
    // It is replaced because it is damaged.
    return;
  }
  const machines = rows.map((row) => ({ pid: Number(row['pid']), startTime: String(row['start_time']) }));
  refuse(machines.filter((machine) => isAlive(machine)));
}

function refuse(running: readonly { readonly pid: number }[]): void {
  if (running.length === 0) return;
  throw new NovaError('conflict', 'Sandboxes of the state folder run.', {
    hint: 'Stop them with `nova stop $(nova ls -q)`, end the daemon, and restore then.',
    details: { pids: [...new Set(running.map(({ pid }) => pid))] },
  });
}

/** After a rename a power cut must not show a file that is empty. */
async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

/** Names of what the backup holds, which then lies in `work`. Nothing else comes out of it. */
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
    // A link would put a file of the host in the place of ours.
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

/** Keeps all others from a database, and puts what lies in its journal into it, until the result is closed; null where there is none. */
function takeOver(file: string): DatabaseSync | null {
  if (!existsSync(file)) return null;
  const db = openDatabase(file, { timeout: 1000 });
  try {
    const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = DELETE').get() ?? {};
    if (mode !== 'delete') throw inUse(file);
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    const { code, message } = toNovaError(error);
    // It is replaced because it is damaged: nobody works with it.
    if (code === 'storage_failed' && /damaged/.test(message)) return db;
    db.close();
    throw /locked|busy/.test(String(error)) ? inUse(file, error) : error;
  }
  return db;
}

const inUse = (file: string, cause?: unknown): NovaError =>
  new NovaError('conflict', `Another process works with ${file}.`, {
    hint: 'End the daemon and all programs that use the state folder, and restore then.',
    cause,
  });

/** Moves what a backup replaces into a folder of its own; null where there is nothing. */
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
