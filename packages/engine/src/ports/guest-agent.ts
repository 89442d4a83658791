import type { Duplex } from 'node:stream';
import type { Change, Entry, Exit } from '@novasandbox/protocol';

/** The seam to the agent in the guest: one session over one byte stream (guest/PROTOCOL.md). Everything the guest says is hostile. */

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time limit of the whole call, ms. Default 30 s for calls with one answer, none for streams. */
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
  /** The request this serves: the agent notes it in the guest's log (one in an old snapshot passes over it). */
  readonly requestId?: string | undefined;
  /** How long the process waits for an attach once all who were attached are lost, before it is ended, ms; 0: it depends on nobody (default of an agent; of the engine 10 s). */
  readonly waitMs?: number | undefined;
}

export type OutputChannel = 'stdout' | 'stderr' | 'pty';
export interface OutputChunk {
  readonly channel: OutputChannel;
  readonly bytes: Uint8Array;
}

/**
 * A process this session is attached to. `output` may be iterated once; a reader that pauses makes the process wait (back-pressure);
 * abandoning the iteration detaches, the process goes on. `exit` rejects when the session is lost before the process has ended.
 */
export interface AttachedProcess extends AsyncDisposable {
  readonly execId: number;
  readonly pid: number;
  /** Where the replay really began, for attach. */
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
   * Stops listening for one who has gone without a word: as if the session had been lost. Its output waits, and the process is ended when nobody attaches
   * within its own `waitMs`, or within the one given.
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
}

export interface FileReader extends AsyncDisposable {
  readonly entry: Entry;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface GuestAgent extends AsyncDisposable {
  /** Settles (never rejects) when the session has ended; the value says why. */
  readonly closed: Promise<Error | null>;

  info(options?: CallOptions): Promise<GuestInfo>;
  ping(options?: CallOptions): Promise<void>;
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
      readonly offset?: number;
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
  /** Changes below a directory until the iteration ends. Resolves when the watch stands. `overflow` is thrown as guest_resource_exhausted. */
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

  /** A connection to a TCP port or Unix socket in the guest. */
  tunnel(target: { readonly port: number; readonly address?: string }, options?: CallOptions): Promise<Duplex>;

  metrics(options?: CallOptions): Promise<GuestMetrics>;
  setClock(wallClockNs: bigint, options?: CallOptions): Promise<void>;
  quiesce(how: { readonly dropCaches: boolean; readonly trim: boolean }, options?: CallOptions): Promise<void>;
  /** ms from now, null: never, undefined: only read. Returns what remains. */
  deadline(deadlineMs: number | null | undefined, options?: CallOptions): Promise<number | null>;
  shutdown(graceMs: number, options?: CallOptions): Promise<void>;
  warm(commands: readonly (readonly string[])[], options?: CallOptions): Promise<void>;
  /** Ends the session at a frame boundary; processes in the guest go on. */
  close(): Promise<void>;
}

/** Opens a session: handshake with nonce, version negotiation. `flush` is needed unless the last session on the stream surely ended at a frame boundary. */
export type OpenSession = (stream: Duplex, options: CallOptions & { readonly flush: boolean }) => Promise<GuestAgent>;
