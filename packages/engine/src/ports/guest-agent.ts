import type { Duplex } from 'node:stream';
import type { Change, Entry, Exit, ManifestEntry } from '@novasandbox/protocol';

/**
 * The interface to the agent in the guest: one session over one byte stream (guest/PROTOCOL.md). Everything from the
 * guest must be treated as hostile.
 */

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time limit of the whole call, ms. Default: 30 s for calls with one answer, none for streams. */
  readonly timeoutMs?: number;
}

export interface GuestInfo {
  readonly agentVersion: string;
  readonly kernelRelease: string;
  readonly hostname: string;
  readonly bootId: string;
  readonly machineId: string;
  readonly pid: number;
  readonly uptimeMs: number;
  readonly arch: string;
  readonly wallClockNs: bigint;
  readonly rootReadOnly: boolean;
}

/** The part of an identity for a guest that goes on from a snapshot of a guest that ran. */
export interface ContinuedGuest {
  /**
   * Distinguishes this run of the memory from all others: 1 to 64 letters, digits, `-`, `.` and `_`. Programs find it
   * in /run/nova/generation.
   */
  readonly generation: string;
  /** Whether TCP connections, and connected UDP sockets, whose peer is not the guest itself are ended. */
  readonly cutConnections: boolean;
  /** Id of the sandbox that the snapshot was taken of; hooks are told it. */
  readonly parentId?: string;
}

export interface GuestIdentity {
  readonly entropy?: Uint8Array;
  readonly wallClockNs?: bigint;
  readonly hostname?: string;
  readonly machineId?: string;
  readonly bootId?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Power off that long from now, ms; null: never. */
  readonly deadlineMs?: number | null;
  readonly network?: {
    readonly interface: string;
    readonly address: string;
    readonly gateway: string;
    readonly dns: readonly string[];
  };
  readonly hosts?: readonly string[];
  readonly processLimit?: number;
  readonly memoryReserveMb?: number;
  readonly defaultUser?: string;
  readonly defaultCwd?: string;
  /**
   * The guest goes on from a snapshot of a guest that ran. It drops the sessions of that one's clients and keeps their
   * commands, which can be attached to. Needs `entropy`.
   */
  readonly continued?: ContinuedGuest;
  /** Volumes to mount, in this order. `device` is the name of its disk at boot, such as `vdc`. */
  readonly volumes?: readonly { readonly device: string; readonly path: string; readonly readOnly: boolean }[];
}

export interface ExecRequest {
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly pty?: { readonly cols: number; readonly rows: number } | undefined;
  readonly timeoutMs?: number | undefined;
  readonly stdin?: boolean | undefined;
  readonly retainBytes?: number | undefined;
  readonly tag?: string | undefined;
  readonly mergeStderr?: boolean | undefined;
  /**
   * The request that this call serves. The agent notes it in the guest's log (an agent in an old snapshot ignores it).
   */
  readonly requestId?: string | undefined;
  /**
   * How long the process waits for somebody to attach after all attached sessions were lost, before it is ended, ms. 0:
   * it never ends for this reason (an agent's default; the engine's default is 10 s).
   */
  readonly waitMs?: number | undefined;
}

export type OutputChannel = 'stdout' | 'stderr' | 'pty';
export interface OutputChunk {
  readonly channel: OutputChannel;
  readonly bytes: Uint8Array;
}

/**
 * A process to which this session is attached. `output` may be iterated once. A reader that pauses makes the process
 * wait (back-pressure). Leaving the iteration detaches, and the process goes on. `exit` rejects when the session is
 * lost before the process has ended.
 */
export interface AttachedProcess extends AsyncDisposable {
  readonly execId: number;
  readonly pid: number;
  /** Where the replay actually began, for attach. */
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  readonly output: AsyncIterable<OutputChunk>;
  readonly exit: Promise<Exit>;
  /** Resolves when the bytes have been handed over within the guest's credit. */
  writeStdin(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  resize(size: { readonly cols: number; readonly rows: number }): Promise<void>;
  signal(signal: number): Promise<void>;
  /** Stops listening; the process goes on. */
  detach(): Promise<void>;
  /**
   * Detaches for a client that has gone without a word, as if the session had been lost. The output of the process
   * waits, and the process is ended when nobody attaches within its own `waitMs`, or within the one given.
   */
  leave(waitMs?: number): Promise<void>;
}

export interface GuestProcess {
  readonly execId: number;
  readonly pid: number;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly tag: string;
  readonly startedNs: bigint;
  readonly running: boolean;
  readonly pty: boolean;
  readonly env: readonly string[];
  readonly exit: Exit | null;
}

export interface GuestMetrics {
  readonly cpuCount: number;
  readonly cpuUserUs: number;
  readonly cpuSystemUs: number;
  readonly cpuIdleUs: number;
  readonly memTotalBytes: number;
  readonly memAvailableBytes: number;
  readonly memCacheBytes: number;
  readonly diskTotalBytes: number;
  readonly diskUsedBytes: number;
  readonly processes: number;
  readonly netRxBytes: number;
  readonly netTxBytes: number;
  readonly uptimeMs: number;
  readonly load1: number;
  readonly agentRssBytes: number;
  readonly wallClockNs: bigint;
  readonly oomKills: number;
  /** The writable file systems on disks: the writable layer as `/`, and volumes. */
  readonly disks: readonly GuestDisk[];
}

export interface GuestDisk {
  readonly path: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly freeInodes: number;
}

export interface FileReader extends AsyncDisposable {
  readonly entry: Entry;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The extent of a manifest. */
export interface ManifestRequest {
  readonly user?: string | undefined;
  /**
   * Entries that are left out, with all that is below them: a path relative to the directory if there is a slash in it,
   * even at its beginning; otherwise a name at every level.
   */
  readonly skip?: readonly string[] | undefined;
  /** Lists these relative paths alone, as far as they exist, and walks no directory. */
  readonly only?: readonly string[] | undefined;
  /** Files of at most that many bytes come with their digest; default 0: none. */
  readonly hashBytes?: number | undefined;
  /** Most entries; default 1 000 000. */
  readonly limit?: number | undefined;
}

/** Entries as they arrive: a directory before what is below it, otherwise without order. Iterate it once. */
export type Manifest = AsyncIterable<readonly ManifestEntry[]> & AsyncDisposable;

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface GuestAgent extends AsyncDisposable {
  /** Settles (never rejects) when the session has ended. The value is the error that ended it, if any. */
  readonly closed: Promise<Error | null>;

  info(options?: CallOptions): Promise<GuestInfo>;
  ping(options?: CallOptions): Promise<void>;
  /**
   * Gives the guest its identity. With `continued` it resolves only when the guest has confirmed all of it, hooks
   * included; where it rejects, the guest must not be used.
   *
   * @throws NovaError `hook_failed`, with `program` and `output` in its details; `not_implemented` where the agent or
   *   the kernel of the guest cannot do it
   */
  configure(identity: GuestIdentity, options?: CallOptions): Promise<void>;

  exec(request: ExecRequest, options?: CallOptions): Promise<AttachedProcess>;
  /** Starts without attaching. */
  execDetached(request: ExecRequest, options?: CallOptions): Promise<{ readonly execId: number; readonly pid: number }>;
  /** Offsets count all bytes ever produced; `null` asks for new output only. */
  attach(
    execId: number,
    from: { readonly stdout: number | null; readonly stderr: number | null; readonly stdin?: boolean },
    options?: CallOptions,
  ): Promise<AttachedProcess>;
  signal(execId: number, signal: number, options?: CallOptions): Promise<void>;
  processes(options?: CallOptions): Promise<GuestProcess[]>;

  readFile(
    path: string,
    range: { readonly offset?: number; readonly length?: number; readonly user?: string | undefined },
    options?: CallOptions,
  ): Promise<FileReader>;
  writeFile(
    path: string,
    source: ByteSource,
    how: {
      readonly mode?: number | undefined;
      readonly user?: string | undefined;
      readonly append?: boolean;
      readonly exclusive?: boolean;
      readonly offset?: number | undefined;
    },
    options?: CallOptions,
  ): Promise<Entry>;
  stat(path: string, user?: string, options?: CallOptions): Promise<Entry>;
  list(
    path: string,
    how: {
      readonly depth?: number;
      readonly user?: string | undefined;
      readonly limit?: number;
      /** Entries come with their extended attributes. */
      readonly xattrs?: boolean;
    },
    options?: CallOptions,
  ): Promise<Entry[]>;
  makeDirectory(
    path: string,
    how: { readonly mode?: number | undefined; readonly user?: string | undefined },
    options?: CallOptions,
  ): Promise<boolean>;
  move(source: string, destination: string, user?: string, options?: CallOptions): Promise<Entry>;
  remove(path: string, user?: string, options?: CallOptions): Promise<boolean>;
  setAttributes(
    path: string,
    attributes: {
      readonly mode?: number;
      readonly owner?: string;
      readonly user?: string | undefined;
      readonly xattrs?: Readonly<Record<string, Uint8Array | null>>;
    },
    options?: CallOptions,
  ): Promise<Entry>;
  /**
   * Yields changes below a directory until the iteration ends. Resolves when the watch is in place. `overflow` is
   * thrown as guest_resource_exhausted.
   */
  watch(
    path: string,
    how: { readonly recursive?: boolean; readonly user?: string | undefined },
    options?: CallOptions,
  ): Promise<AsyncIterable<Change> & AsyncDisposable>;
  tarIn(
    path: string,
    source: ByteSource,
    user: string | undefined,
    options?: CallOptions,
  ): Promise<{ readonly entries: number; readonly bytes: number }>;
  tarOut(
    path: string,
    user: string | undefined,
    options?: CallOptions,
  ): Promise<AsyncIterable<Uint8Array> & AsyncDisposable>;
  /** Lists the whole tree below a directory, for a comparison. */
  manifest(path: string, request: ManifestRequest, options?: CallOptions): Promise<Manifest>;

  /** A connection to a TCP port or Unix socket in the guest. */
  tunnel(target: { readonly port: number; readonly address?: string }, options?: CallOptions): Promise<Duplex>;

  metrics(options?: CallOptions): Promise<GuestMetrics>;
  setClock(wallClockNs: bigint, options?: CallOptions): Promise<void>;
  quiesce(how: { readonly dropCaches: boolean; readonly trim: boolean }, options?: CallOptions): Promise<void>;
  /** Sets the deadline in ms from now; null: never; undefined: only reads it. Returns the time that remains. */
  deadline(deadlineMs: number | null | undefined, options?: CallOptions): Promise<number | null>;
  shutdown(graceMs: number, options?: CallOptions): Promise<void>;
  /**
   * Waits until the guest sees that a disk has `bytes`, and grows its file system to the disk. `path` is the mount
   * point of a volume, or `/` for the writable layer. Returns the size of the file system.
   */
  grow(path: string, bytes: number, options?: CallOptions): Promise<number>;
  warm(commands: readonly (readonly string[])[], options?: CallOptions): Promise<void>;
  /** Ends the session at a frame boundary; processes in the guest go on. */
  close(): Promise<void>;
}

/**
 * Opens a session: handshake with nonce, version negotiation. `flush` may be false only if the last session on the
 * stream is known to have ended at a frame boundary.
 */
export type OpenSession = (stream: Duplex, options: CallOptions & { readonly flush: boolean }) => Promise<GuestAgent>;
