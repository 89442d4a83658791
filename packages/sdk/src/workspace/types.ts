import type { ProgressSink } from '@novasandbox/protocol';

/** The kinds of entries of a workspace. */
export type WorkspaceEntryType = 'file' | 'directory' | 'symlink' | 'other';

/** The state at a path, as far as workspaces compare it. */
export interface WorkspaceState {
  readonly type: WorkspaceEntryType;
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of a file; 0 for anything else. */
  readonly size: number;
  /** Digest of a file's content, in hexadecimal; null for anything else. */
  readonly sha256: string | null;
  /** The path that a link stores; null for anything else. */
  readonly link: string | null;
}

/** Options of every call. */
export interface WorkspaceCallOptions {
  /** The folder of the guest. Default: the sandbox's only workspace; of the first push, `/workspace`. */
  readonly guestPath?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Receives the progress of what takes long. */
  readonly onProgress?: ProgressSink | undefined;
}

export interface PushOptions extends WorkspaceCallOptions {
  /** Owner of the files in the guest; default: the sandbox's user. */
  readonly user?: string | undefined;
  /** Files and folders, relative to the folder, that are sent although they are ignored or hold secrets. */
  readonly include?: readonly string[] | undefined;
  /** Sends files that hold secrets too; default false. */
  readonly includeSecrets?: boolean | undefined;
  /** Sends `.git`, once; default true. */
  readonly git?: boolean | undefined;
  /** Replaces files that were changed in the guest meanwhile; default false: they are conflicts. */
  readonly overwrite?: boolean | undefined;
  /** Limit of the bytes of all files; default 8 GiB. */
  readonly maxBytes?: number | undefined;
  /** Limit of the number of files and folders; default 500 000. */
  readonly maxEntries?: number | undefined;
}

/** Something that a push left out. */
export interface LeftOut {
  readonly path: string;
  readonly kind: 'secret' | 'unreadable' | 'special';
  readonly reason: string;
}

export interface PathReason {
  readonly path: string;
  readonly reason: string;
}

export interface PushResult {
  /** The folder of the host, without links. */
  readonly folder: string;
  readonly guestPath: string;
  readonly sentFiles: number;
  readonly sentBytes: number;
  /** Files and folders that were removed in the guest because they are gone here. */
  readonly removed: number;
  /** Files and folders that were the same already. */
  readonly unchanged: number;
  /** Paths that ignore files leave out; a folder counts once. */
  readonly ignored: number;
  /** Entries that were left out for their content or kind; the first 1000. */
  readonly leftOut: readonly LeftOut[];
  /** Changed on both sides, and left as they are in the guest. */
  readonly conflicts: readonly PathReason[];
  /** Remarks, such as submodules whose contents are elsewhere. */
  readonly notes: readonly string[];
}

/** Lines of a text file that changed together, as in a unified diff. */
export interface WorkspaceHunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  /** Each begins with a space, `-`, `+` or `\`. */
  readonly lines: readonly string[];
}

export interface WorkspaceChange {
  readonly path: string;
  readonly kind: 'added' | 'modified' | 'deleted' | 'mode' | 'type';
  /** The state that was pushed; null when it was not there. */
  readonly before: WorkspaceState | null;
  /** The state in the guest now; null when it is gone. */
  readonly after: WorkspaceState | null;
  /** The same lines, or the whole file, were changed on the host too: it is not applied. */
  readonly conflict: string | null;
  /** Whether the host changed other lines of it: both changes go together. */
  readonly merges: boolean;
  /** Why it is never applied. */
  readonly refused: string | null;
  /** Why it is applied only on explicit consent. */
  readonly flags: readonly string[];
  /** Changes of text; empty where the content is not text, too large, or only the mode changed. */
  readonly hunks: readonly WorkspaceHunk[];
  /** A unified diff, or a line that names a change that is not of text. */
  readonly patch: string;
}

export interface DiffOptions extends WorkspaceCallOptions {
  /** Only these files, and what is in these folders; relative to the workspace. */
  readonly paths?: readonly string[] | undefined;
}

export interface WorkspaceDiff {
  readonly folder: string;
  readonly guestPath: string;
  readonly changes: readonly WorkspaceChange[];
}

export interface ApplyOptions extends DiffOptions {
  /** Applies only what this diff showed, and only while it is still the same. */
  readonly reviewed?: WorkspaceDiff | undefined;
  /** Of these files, only the hunks of these numbers, from 0; of all others everything. Needs `reviewed`. */
  readonly hunks?: Readonly<Record<string, readonly number[]>> | undefined;
  /** Applies flagged changes too: all, or those of the given paths; default: none. */
  readonly allowFlagged?: boolean | readonly string[] | undefined;
  /**
   * The decision about conflicts at these paths: `guest` replaces the host's version, `host` keeps it and takes the
   * conflict as resolved. All others are left alone.
   */
  readonly resolve?: Readonly<Record<string, 'guest' | 'host'>> | undefined;
  /** Writes nothing, and tells what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Limit of the bytes of all files that are written; default 4 GiB. */
  readonly maxBytes?: number | undefined;
}

export interface ApplyResult {
  readonly folder: string;
  readonly guestPath: string;
  readonly applied: readonly string[];
  readonly conflicts: readonly PathReason[];
  /** Never applied. */
  readonly refused: readonly PathReason[];
  /** Left alone because nobody consented. */
  readonly flagged: readonly PathReason[];
  /** Changed since they were looked at. */
  readonly outdated: readonly PathReason[];
}

/** A folder that was pushed into a sandbox. */
export interface WorkspaceInfo {
  readonly folder: string;
  readonly guestPath: string;
  readonly pushedAt: string;
}
