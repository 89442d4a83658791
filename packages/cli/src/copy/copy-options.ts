import type { ProgressSink } from '@novasandbox/protocol';

export interface CopyOptions {
  /** Owner of files created in the guest; relative paths start at this user's home. */
  readonly user?: string | undefined;
  /** The stream is a tar archive, not the contents of one file. */
  readonly archive: boolean;
  /** Limit of the bytes taken from a guest. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** Result of a copy. */
export interface CopyResult {
  readonly entries: number;
  readonly bytes: number;
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}
