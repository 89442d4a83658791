import type { Duplex } from 'node:stream';
import type {
  ArchitectureName,
  Change,
  DriverFeatures,
  Entry,
  ExtraDriveInput,
  HypervisorName,
  Ownership,
  ProgressSink,
  Resize,
  SandboxConfig,
  SandboxConfigInput,
  SandboxInfo,
  SandboxStats,
  Scope,
  TemplateInfo,
} from '@novasandbox/protocol';
import type {
  AttachedProcess,
  ByteSource,
  ExecRequest,
  FileReader,
  GuestInfo,
  GuestProcess,
} from './ports/guest-agent.ts';
export type * from './ports/guest-agent.ts';
import type { DriverProbe } from './ports/vmm-driver.ts';

/**
 * What the engine offers, service by service. The SDK speaks these interfaces, so that the same `Sandbox` class works on the engine in
 * its own process and, later, on a server. `ref` is an id, a unique prefix of one (at least 4 characters), or a name. Every call may throw NovaError.
 */

export interface CallContext {
  readonly signal?: AbortSignal | undefined;
}

export interface BuildContext extends CallContext {
  /** Told what goes on when a template or snapshot has to be made first. */
  readonly progress?: ProgressSink | undefined;
}

/** Facts of a new sandbox that are not its maker's to choose: a daemon that offers the engine to others sets them. */
export interface CreateContext extends BuildContext {
  /** Default: it belongs to the host itself. Names are unique among the sandboxes of one owner. */
  readonly ownership?: Ownership | undefined;
  /** Its id, where that has to be known before it is made; `newSandboxId()` makes one. */
  readonly id?: string | undefined;
  /** Awaited when the sandbox is ready, right before it is its owner's; what this throws, and an abort meanwhile, undoes it. */
  readonly ready?: (() => Promise<void>) | undefined;
  /** Labels that begin with `reservedLabelPrefix`. */
  readonly reservedLabels?: Readonly<Record<string, string>> | undefined;
}

export interface StartContext extends BuildContext {
  /** Another hypervisor than the one it last ran on, or the best there is. The disk moves, memory does not. */
  readonly hypervisor?: HypervisorName | 'auto' | undefined;
}

export interface SandboxFilter {
  /** Stopped and failed ones too; default: only running and paused. */
  readonly all?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** As the daemon names them, such as `user:ann`. */
  readonly owner?: string | undefined;
  readonly team?: string | undefined;
}

export interface SandboxService {
  /** Resolves when the sandbox answers. On any error or abort nothing is left. */
  create(config: SandboxConfigInput, context?: CreateContext): Promise<SandboxInfo>;
  /**
   * Looks names and prefixes up within `scope`; default: all there are. Throws `conflict` for a name that several have.
   */
  get(ref: string, scope?: Scope): Promise<SandboxInfo>;
  /** The config it was made with. */
  config(ref: string): Promise<SandboxConfig>;
  list(filter?: SandboxFilter, scope?: Scope): Promise<SandboxInfo[]>;
  /**
   * Boots a stopped sandbox again from its own disk. A running one is left alone, and refused (`invalid_state`) where another hypervisor is
   * named.
   */
  start(ref: string, context?: StartContext): Promise<SandboxInfo>;
  /** Idempotent. Without force the guest is asked first and given `graceMs` (default 5000). An ephemeral sandbox is removed. */
  stop(ref: string, options?: { readonly force?: boolean; readonly graceMs?: number }): Promise<SandboxInfo>;
  pause(ref: string): Promise<SandboxInfo>;
  resume(ref: string): Promise<SandboxInfo>;
  /** Stops what runs (refused without force) and deletes the sandbox with its disk. */
  remove(ref: string, options?: { readonly force?: boolean }): Promise<void>;
  stats(ref: string): Promise<SandboxStats>;
  /** Time to live from now in ms, 0 for none. */
  setTimeout(ref: string, timeoutMs: number): Promise<SandboxInfo>;
  logs(ref: string, options?: { readonly bytes?: number }): Promise<{ readonly console: string; readonly vmm: string }>;
  guestInfo(ref: string, context?: CallContext): Promise<GuestInfo>;
  /** New sizes for a running sandbox, which it keeps. Refused with `feature_unsupported` where its hypervisor cannot. */
  resize(ref: string, to: Resize, context?: CallContext): Promise<SandboxInfo>;
  /** Adds a drive of the host to a running sandbox and mounts it; returns its name. Refused with `feature_unsupported` where its hypervisor cannot. */
  addDrive(ref: string, drive: ExtraDriveInput, context?: CallContext): Promise<string>;
  /** Unmounts a drive that `addDrive` has added and takes it away. */
  removeDrive(ref: string, name: string, context?: CallContext): Promise<void>;
  /**
   * Gives a running sandbox the network that it was made without, or that was taken from it. One that has it is left alone. Refused with
   * `feature_unsupported` where its hypervisor cannot, or the host has no network slots.
   */
  addNetwork(ref: string, context?: CallContext): Promise<void>;
  /** Takes its network from a running sandbox, connections and all; the next start is as its config says. One without is left alone. */
  removeNetwork(ref: string, context?: CallContext): Promise<void>;
  /** Settles when the sandbox no longer runs. */
  exited(ref: string, context?: CallContext): Promise<SandboxInfo>;
}

export interface ExecService {
  start(ref: string, request: ExecRequest, context?: CallContext): Promise<AttachedProcess>;
  startDetached(
    ref: string,
    request: ExecRequest,
    context?: CallContext,
  ): Promise<{ readonly execId: number; readonly pid: number }>;
  attach(
    ref: string,
    execId: number,
    from: { readonly stdout: number | null; readonly stderr: number | null; readonly stdin?: boolean },
    context?: CallContext,
  ): Promise<AttachedProcess>;
  signal(ref: string, execId: number, signal: number, context?: CallContext): Promise<void>;
  list(ref: string, context?: CallContext): Promise<GuestProcess[]>;
  /** A round trip to the agent and back. */
  ping(ref: string, context?: CallContext): Promise<void>;
}

/** Paths that are not absolute, and `~`, begin at the home of the user (default: the sandbox's own). */
export interface FileService {
  read(
    ref: string,
    path: string,
    range?: { readonly offset?: number; readonly length?: number; readonly user?: string | undefined },
    context?: CallContext,
  ): Promise<FileReader>;
  write(
    ref: string,
    path: string,
    source: ByteSource,
    how?: {
      readonly mode?: number | undefined;
      readonly user?: string | undefined;
      readonly append?: boolean;
      readonly exclusive?: boolean;
    },
    context?: CallContext,
  ): Promise<Entry>;
  stat(ref: string, path: string, user?: string, context?: CallContext): Promise<Entry>;
  list(
    ref: string,
    path: string,
    how?: { readonly depth?: number; readonly user?: string | undefined; readonly xattrs?: boolean },
    context?: CallContext,
  ): Promise<Entry[]>;
  makeDirectory(
    ref: string,
    path: string,
    how?: { readonly mode?: number | undefined; readonly user?: string | undefined },
    context?: CallContext,
  ): Promise<boolean>;
  move(ref: string, source: string, destination: string, user?: string, context?: CallContext): Promise<Entry>;
  remove(ref: string, path: string, user?: string, context?: CallContext): Promise<boolean>;
  setAttributes(
    ref: string,
    path: string,
    attributes: {
      readonly mode?: number;
      readonly owner?: string;
      readonly user?: string | undefined;
      /** Extended attributes by their whole name, of the `user.` namespace; null: to be removed. */
      readonly xattrs?: Readonly<Record<string, Uint8Array | null>>;
    },
    context?: CallContext,
  ): Promise<Entry>;
  watch(
    ref: string,
    path: string,
    how?: { readonly recursive?: boolean; readonly user?: string | undefined },
    context?: CallContext,
  ): Promise<AsyncIterable<Change> & AsyncDisposable>;
  /** Unpacks a tar stream into a directory of the guest. All of it belongs to the user. */
  tarIn(
    ref: string,
    path: string,
    source: ByteSource,
    user?: string,
    context?: CallContext,
  ): Promise<{ readonly entries: number; readonly bytes: number }>;
  /** A directory's contents, or one file, as a tar stream. What comes out is hostile: never unpack it unchecked. */
  tarOut(
    ref: string,
    path: string,
    user?: string,
    context?: CallContext,
  ): Promise<AsyncIterable<Uint8Array> & AsyncDisposable>;
  /** A connection to a TCP port in the guest. */
  tunnel(ref: string, port: number, context?: CallContext): Promise<Duplex>;
}

export interface TemplateService {
  list(): Promise<TemplateInfo[]>;
  inspect(id: string): Promise<TemplateInfo>;
  /** Makes what is missing: kernel, agent, root image, snapshot. `force` builds the root image anew; `architecture` defaults to the host's own. */
  build(
    id: string,
    options?: { readonly force?: boolean; readonly architecture?: ArchitectureName | undefined },
    context?: BuildContext,
  ): Promise<TemplateInfo>;
  /** Removes the built images, for whatever processor, and their snapshots; template.json stays. */
  remove(id: string): Promise<void>;
}

export interface HypervisorReport {
  readonly name: HypervisorName;
  readonly features: DriverFeatures;
  readonly probe: DriverProbe;
}

export interface Engine extends AsyncDisposable {
  readonly sandboxes: SandboxService;
  readonly exec: ExecService;
  readonly files: FileService;
  readonly templates: TemplateService;
  /** What each hypervisor can do on this host, for guests of its own processor or of another; `fresh` probes anew. */
  hypervisors(options?: {
    readonly fresh?: boolean;
    readonly signal?: AbortSignal;
    readonly architecture?: ArchitectureName;
  }): Promise<HypervisorReport[]>;
  /** Ends this process's part: sessions closed, leases given back. Sandboxes run on. */
  close(): Promise<void>;
}

export interface EngineOptions {
  /** State folder; default NOVA_HOME, else /var/lib/novasandbox (root) or ~/.novasandbox. */
  readonly home?: string;
  /** Also removes what sandboxes that nobody remembers have left: VMMs, folders. For the one process that looks after a state folder. */
  readonly recover?: boolean;
  /** With `recover`: network slots kept ready (docs/networking.md), so that a sandbox need not wait for its own; default 0. */
  readonly readySlots?: number;
}
