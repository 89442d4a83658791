/** Classifies errors of the host's file systems and of SQLite by their remedy. */

export interface StorageFailure {
  readonly code: 'host_resource_exhausted' | 'storage_failed';
  readonly what: string;
  /** Replaces the table's hint if it does not fit best. */
  readonly hint?: string;
}

const full: StorageFailure = { code: 'host_resource_exhausted', what: "The host's disk is full" };
const readOnly: StorageFailure = {
  code: 'storage_failed',
  what: 'The state folder cannot be written to',
  hint: 'Mount its file system for writing, or set NOVA_HOME to a folder that can be written to.',
};
const damaged: StorageFailure = {
  code: 'storage_failed',
  what: 'A database of the state folder is damaged',
  hint: 'Restore a backup with `nova restore`, or move the database away: its sandboxes are then kept in `quarantine` of the state folder.',
};
const broken: StorageFailure = { code: 'storage_failed', what: 'The state folder could not be read or written' };
const busy: StorageFailure = {
  code: 'storage_failed',
  what: 'Another process holds a database of the state folder',
  hint: 'Call again; if that does not help, find out which process has it open.',
};

/** By SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const bySqliteCode: Readonly<Record<number, StorageFailure>> = {
  5: busy,
  6: busy,
  8: readOnly,
  10: broken,
  11: damaged,
  13: full,
  14: broken,
  26: damaged,
};
/** SQLite maps the index of its journal into memory and could not enlarge that file. */
const sharedMemorySize = 4874;

const bySystemCode: Readonly<Record<string, StorageFailure>> = {
  ENOSPC: full,
  EDQUOT: { code: 'host_resource_exhausted', what: 'The quota of the disk is used up' },
  EROFS: readOnly,
  EIO: broken,
};

/** Returns the kind of storage failure; null for any other error. */
export function storageFailureOf(error: unknown): StorageFailure | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  if (error.code !== 'ERR_SQLITE_ERROR') return bySystemCode[String(error.code)] ?? null;
  const code = 'errcode' in error ? Number(error.errcode) : 0;
  return code === sharedMemorySize ? full : (bySqliteCode[code & 0xff] ?? null);
}

/** Whether the error is due to a lack of disk space. */
export const isDiskFull = (error: unknown): boolean => storageFailureOf(error)?.code === 'host_resource_exhausted';
