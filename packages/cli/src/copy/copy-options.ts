import type { ProgressSink } from '@novasandbox/protocol';

export interface CopyOptions {
  /** Owner of what is made in the guest, at whose home relative paths start. */
  readonly user?: string | undefined;
  /** A stream is a tar archive, not the contents of one file. */
  readonly archive: boolean;
  /** Most bytes taken from a guest. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** What a copy did. */
export interface CopyResult {
  readonly entries: number;
  readonly bytes: number;
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}
