/** Sorts the errors of the host's file systems and SQLite by their remedy. */

interface StorageFailure {
  readonly code: 'host_resource_exhausted' | 'storage_failed';
  readonly what: string;
  /** Where the table's hint is not the best. */
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
  hint: 'Put a backup back with `nova restore`, or move it away: sandboxes that it knew are then kept in `quarantine` of the state folder.',
};
const broken: StorageFailure = { code: 'storage_failed', what: 'The state folder could not be read or written' };
const busy: StorageFailure = {
  code: 'storage_failed',
  what: 'Another process holds a database of the state folder',
  hint: 'Call again; where it stays so, see which process has it open.',
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
/** SQLite maps an index of its journal into memory, and cannot make that file larger. */
const sharedMemorySize = 4874;

const bySystemCode: Readonly<Record<string, StorageFailure>> = {
  ENOSPC: full,
  EDQUOT: { code: 'host_resource_exhausted', what: 'The quota of the disk is used up' },
  EROFS: readOnly,
  EIO: broken,
};

/** The kind of storage failure that an error is; null for any other error. */
export function storageFailureOf(error: unknown): StorageFailure | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  if (error.code !== 'ERR_SQLITE_ERROR') return bySystemCode[String(error.code)] ?? null;
  const code = 'errcode' in error ? Number(error.errcode) : 0;
  return code === sharedMemorySize ? full : (bySqliteCode[code & 0xff] ?? null);
}

/** Whether it failed for lack of disk space. */
export const isDiskFull = (error: unknown): boolean => storageFailureOf(error)?.code === 'host_resource_exhausted';
