import type { StorageFailure } from '../storage-errors.ts';

/** The client's `#storage-errors`: it has no database and no state folder, and can only fill a disk. */
const bySystemCode: Readonly<Record<string, StorageFailure>> = {
  ENOSPC: { code: 'host_resource_exhausted', what: "The host's disk is full" },
  EDQUOT: { code: 'host_resource_exhausted', what: 'The quota of the disk is used up' },
};

/** Returns the kind of storage failure; null for any other error. */
export const storageFailureOf = (error: unknown): StorageFailure | null =>
  error instanceof Error && 'code' in error ? (bySystemCode[String(error.code)] ?? null) : null;
