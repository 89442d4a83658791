import type { Duplex } from 'node:stream';
import type {
  Approval,
  ApprovalAnswerInput,
  ArchitectureName,
  Change,
  Collected,
  ContinuedConfigInput,
  Decision,
  DriverFeatures,
  Entry,
  EventKind,
  Exit,
  Explanation,
  ExtraDriveInput,
  ForkInput,
  ForkResult,
  HypervisorName,
  LearnedPolicy,
  NetworkPolicyInput,
  NewPolicyInput,
  Isolation,
  NetworkInfo,
  NewNetworkInput,
  NewVolumeInput,
  Ownership,
  PolicyChoiceInput,
  PolicyInfo,
  PoolDiscard,
  PoolMiss,
  PoolStatus,
  ProgressSink,
  Resize,
  SandboxConfig,
  SandboxConfigInput,
  SandboxEvent,
  SandboxInfo,
  SandboxStats,
  Scope,
  SecretInfo,
  SecretSettingsInput,
  SnapshotCheck,
  SnapshotInfo,
  SnapshotStatistics,
  StorageUsage,
  TakeSnapshotInput,
  TemplateInfo,
  VolumeInfo,
  Wish,
} from '@novasandbox/protocol';
import type { DecisionOptions, Tiding } from './ports/egress.ts';
import type {
  AttachedProcess,
  ByteSource,
  ExecRequest,
  FileReader,
  GuestInfo,
  GuestProcess,
  Manifest,
  ManifestRequest,
  OutputChunk,
} from './ports/guest-agent.ts';
export type * from './ports/guest-agent.ts';
import type { CreateDriver } from './ports/driver-means.ts';
import type { DriverProbe } from './ports/vmm-driver.ts';
import type { AdmitWaking } from './ports/wakings.ts';
export type { AdmitWaking } from './ports/wakings.ts';

/**
 * The services that the engine offers. The SDK uses these interfaces, so that the same `Sandbox` class works with an
 * engine in its own process and with a daemon. `ref` is an id, a unique prefix of one (at least 4 characters), or a
 * name. Every call may throw NovaError.
 */

export interface CallContext {
  readonly signal?: AbortSignal | undefined;
}

export interface BuildContext extends CallContext {
  /** Receives progress when a template or snapshot has to be made first. */
  readonly progress?: ProgressSink | undefined;
}

/** Facts of a new sandbox that its maker may not choose. A daemon that offers the engine to others sets them. */
export interface CreateContext extends BuildContext {
  /** Default: the host itself owns it. Names are unique among the sandboxes of one owner. */
  readonly ownership?: Ownership | undefined;
  /**
   * Its id, where it has to be known before the sandbox is made; `newSandboxId()` makes one, and `snapshotIdFrom()`
   * that of a snapshot.
   */
  readonly id?: string | undefined;
  /**
   * Called before the sandbox exists where it gets another id than `id`: a clone from the warm pool has its own. Left
   * out, `id` is final, and the sandbox is no such clone.
   */
  readonly onOtherId?: ((id: string) => void) | undefined;
  /**
   * Awaited when the sandbox is ready, right before its owner gets it. An error of it, or an abort meanwhile, undoes
   * the sandbox.
   */
  readonly ready?: (() => Promise<void>) | undefined;
  /** Where the names of its volumes are looked up; default: everything. */
  readonly scope?: Scope | undefined;
  /** Labels that begin with `reservedLabelPrefix`. */
  readonly reservedLabels?: Readonly<Record<string, string>> | undefined;
}

export interface StartContext extends BuildContext {
  /**
   * The hypervisor, where it should differ from the one the sandbox last ran on; `auto`: the best one. The disk moves
   * to it, memory does not.
   */
  readonly hypervisor?: HypervisorName | 'auto' | undefined;
}

export interface ResumeContext extends BuildContext {
  /** false: a hibernated sandbox boots from its disk, and its memory is dropped. Default: it goes on where it was. */
  readonly memory?: boolean | undefined;
}

export interface SandboxFilter {
  /** Lists all sandboxes; default: those that run, are paused, stopping or hibernated. */
  readonly all?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** As the daemon names them, such as `user:ann`. */
  readonly owner?: string | undefined;
  readonly team?: string | undefined;
}

/**
 * The ends of the guest's console and of the VMM's log. The guest or its VMM writes them, so they may contain anything.
 */
export interface SandboxLogs {
  readonly console: string;
  readonly vmm: string;
  /** Why the console is empty and where to look, where that is known. */
  readonly note: string | null;
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
   * Boots a stopped sandbox again from its own disk. A running one is left alone; naming another hypervisor for it is
   * refused (`invalid_state`).
   */
  start(ref: string, context?: StartContext): Promise<SandboxInfo>;
  /**
   * Idempotent. Without force the guest is asked first and given `graceMs` (default 5000). An ephemeral sandbox is
   * removed.
   */
  stop(ref: string, options?: { readonly force?: boolean; readonly graceMs?: number }): Promise<SandboxInfo>;
  pause(ref: string): Promise<SandboxInfo>;
  /**
   * Lets a paused or hibernated sandbox go on where it was. Where the memory of a hibernated one cannot be used any
   * more, it boots from its disk, and `reason` and `metadata.bootKind` say so. Idempotent.
   */
  resume(ref: string, context?: ResumeContext): Promise<SandboxInfo>;
  /**
   * Keeps memory and disk of a sandbox on the host's disk and ends its machine: it uses neither memory nor CPU until it
   * is resumed. `memory: false` keeps the disk alone, from which it boots then. An ephemeral sandbox stays too.
   * Idempotent. Refused with `feature_unsupported` where the hypervisor cannot write the memory of a running guest.
   */
  hibernate(ref: string, how?: { readonly memory?: boolean }, context?: CallContext): Promise<SandboxInfo>;
  /** Stops a running sandbox (only with force; refused otherwise) and deletes it with its disk. */
  remove(ref: string, options?: { readonly force?: boolean }): Promise<void>;
  stats(ref: string): Promise<SandboxStats>;
  /** Time to live from now in ms, 0 for none. */
  setTimeout(ref: string, timeoutMs: number): Promise<SandboxInfo>;
  /**
   * Gives the sandbox another name. Throws `sandbox_exists` when its owner has another one of that name. The guest's
   * host name stays until the next start.
   */
  rename(ref: string, name: string): Promise<SandboxInfo>;
  logs(ref: string, options?: { readonly bytes?: number }): Promise<SandboxLogs>;
  guestInfo(ref: string, context?: CallContext): Promise<GuestInfo>;
  /**
   * Sets new sizes, which the sandbox keeps: CPUs and memory while it runs, the disk also while it is stopped. Refused
   * with `feature_unsupported` where its hypervisor does not support it, with `invalid_argument` for a smaller disk.
   */
  resize(ref: string, to: Resize, context?: CallContext): Promise<SandboxInfo>;
  /**
   * Adds a drive of the host to a running sandbox and mounts it; returns its name. Refused with `feature_unsupported`
   * where its hypervisor does not support it.
   */
  addDrive(ref: string, drive: ExtraDriveInput, context?: CallContext): Promise<string>;
  /** Unmounts and removes a drive that `addDrive` has added. */
  removeDrive(ref: string, name: string, context?: CallContext): Promise<void>;
  /**
   * Gives a running sandbox a network when it was made without one, or when its network was removed. A sandbox that has
   * one is left alone. Refused with `feature_unsupported` where its hypervisor does not support it, or the host has no
   * network slots.
   */
  addNetwork(ref: string, context?: CallContext): Promise<void>;
  /**
   * Removes the network of a running sandbox, with its connections. At the next start the config applies again. A
   * sandbox without one is left alone.
   */
  removeNetwork(ref: string, context?: CallContext): Promise<void>;
  /**
   * Changes what the sandbox may reach, also while it runs: connections that it may not have any more end. Refused with
   * `feature_unsupported` where the policy cannot be enforced, and with `not_implemented` for rules that are not there.
   */
  setPolicy(ref: string, policy: PolicyChoiceInput, context?: CallContext): Promise<SandboxInfo>;
  /** The secrets of the sandbox, without their values. */
  secrets(ref: string): Promise<SecretInfo[]>;
  /**
   * Gives the sandbox a secret, also while it runs, or another value for one that it has, whose placeholder stays.
   * Refused with `feature_unsupported` without a network slot, and with `sandbox_not_running` where a paused guest
   * would have to be told of it.
   */
  setSecret(ref: string, name: string, settings: SecretSettingsInput, context?: CallContext): Promise<SecretInfo>;
  /**
   * Forgets the value of a secret and ends the requests that have it. The guest's placeholder is refused from now on.
   * One that is not there is left alone.
   */
  removeSecret(ref: string, name: string, context?: CallContext): Promise<void>;
  /** The latest decisions about what the sandbox wanted to reach, oldest first; `follow` goes on with new ones. */
  decisions(ref: string, options?: DecisionOptions): Promise<AsyncIterable<Decision>>;
  /** Settles when the sandbox no longer runs. */
  exited(ref: string, context?: CallContext): Promise<SandboxInfo>;
}

/**
 * The end of a reading: how the command ended (null while it runs), and the offsets at which the next reading
 * continues.
 */
export interface OutputReadingEnd {
  readonly exit: Exit | null;
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
}

/** The output of a command so far. Disposing ends the reading; the command goes on. */
export interface OutputReading extends AsyncDisposable {
  readonly execId: number;
  readonly pid: number;
  /** Where the reading begins. It is later than requested where the guest no longer keeps the beginning. */
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  /** May be iterated once. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Settles when `output` has been read. */
  readonly ended: Promise<OutputReadingEnd>;
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
  /**
   * Reads the output of a command so far, as far as the guest keeps it. Works also for a command that ended a short
   * while ago. Offsets count all bytes ever written. To follow a command, attach to it where the reading ended.
   */
  output(
    ref: string,
    execId: number,
    from: { readonly stdout: number; readonly stderr: number },
    context?: CallContext,
  ): Promise<OutputReading>;
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
      /** Writes from this byte on and leaves the rest as it is; default: the file is replaced. */
      readonly offset?: number | undefined;
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
      /** Extended attributes by their full name, in the `user.` namespace; null removes one. */
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
  /** Unpacks a tar stream into a directory of the guest. All files belong to the user. */
  tarIn(
    ref: string,
    path: string,
    source: ByteSource,
    user?: string,
    context?: CallContext,
  ): Promise<{ readonly entries: number; readonly bytes: number }>;
  /** A directory's contents, or one file, as a tar stream. The stream is hostile: never unpack it unchecked. */
  tarOut(
    ref: string,
    path: string,
    user?: string,
    context?: CallContext,
  ): Promise<AsyncIterable<Uint8Array> & AsyncDisposable>;
  /**
   * Lists the whole tree below a directory, for a comparison. The entries are what the guest says: check paths and
   * digests before they are used on a host. Throws `guest_resource_exhausted` above the limit.
   */
  manifest(ref: string, path: string, request?: ManifestRequest, context?: CallContext): Promise<Manifest>;
  /** A connection to a TCP port in the guest. */
  tunnel(ref: string, port: number, context?: CallContext): Promise<Duplex>;
}

export interface TemplateService {
  list(): Promise<TemplateInfo[]>;
  inspect(id: string): Promise<TemplateInfo>;
  /**
   * Makes the missing parts: kernel, agent, root image, snapshot. `force` rebuilds the root image, and looks up anew
   * what the name of an OCI image leads to; `architecture` defaults to the host's own. With `image` the template itself
   * is made, of that OCI image: nothing of it stays after an error.
   */
  build(
    id: string,
    options?: {
      readonly force?: boolean;
      readonly architecture?: ArchitectureName | undefined;
      readonly image?: string | undefined;
    },
    context?: BuildContext,
  ): Promise<TemplateInfo>;
  /**
   * Removes the built images for all processors, and their snapshots. A template that was made by naming an OCI image
   * goes as a whole; of others template.json stays.
   */
  remove(id: string): Promise<void>;
}

/** Facts of the children of a fork that their maker may not choose. */
export interface ForkContext extends Omit<CreateContext, 'id' | 'onOtherId'> {
  /** Their ids, where these have to be known before the children are made; `childIds` makes them. */
  readonly ids?: readonly string[] | undefined;
}

export interface SnapshotFilter {
  /** Of this sandbox, by its id; it may have been removed. */
  readonly sandbox?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Snapshots of sandboxes. `ref` of a snapshot is its id, a unique prefix of it, or its name; a name that snapshots of
 * several sandboxes have throws `conflict`, unless `of` names the sandbox by its id.
 */
export interface SnapshotService {
  /**
   * Takes a snapshot of a sandbox, which goes on as it was. Memory, devices and disk are of one instant. A stopped
   * sandbox has a disk alone. Refused with `feature_unsupported` where the hypervisor cannot write the memory of a
   * running guest.
   */
  take(sandbox: string, how?: TakeSnapshotInput, context?: CreateContext): Promise<SnapshotInfo>;
  get(ref: string, scope?: Scope, of?: string): Promise<SnapshotInfo>;
  /** Oldest first. */
  list(filter?: SnapshotFilter, scope?: Scope): Promise<SnapshotInfo[]>;
  /** Deletes a snapshot; sandboxes that were made from it live on. */
  remove(ref: string): Promise<void>;
  /** Reads all files of the snapshot and compares them with the checksums from when it was taken. */
  verify(ref: string, context?: CallContext): Promise<SnapshotCheck>;
  /** Makes a sandbox that goes on from the snapshot; any number of times. */
  create(ref: string, config?: ContinuedConfigInput, context?: CreateContext): Promise<SandboxInfo>;
  /**
   * Takes a sandbox back to one of its snapshots: what it has done since is lost, and the memory of one that is
   * hibernated. With memory it then runs; from a disk alone it boots. It keeps its id, name and labels.
   */
  restore(sandbox: string, ref: string, context?: BuildContext): Promise<SandboxInfo>;
  /**
   * Makes running children of a running sandbox, all from one instant, which share its unchanged memory; the sandbox
   * itself goes on. Resolves when each child runs or has failed; rejects where there is no instant to fork from.
   */
  fork(sandbox: string, how?: ForkInput, context?: ForkContext): Promise<ForkResult[]>;
  /** The snapshot as one file (docs/snapshots.md): its manifest, then its files, compressed with zstd. */
  save(ref: string, context?: CallContext): Promise<AsyncIterable<Uint8Array> & AsyncDisposable>;
  /** Reads what `save` wrote, and checks it before anything is kept. It gets an id of its own. */
  load(
    source: ByteSource,
    how?: { readonly name?: string | undefined },
    context?: CallContext & Pick<CreateContext, 'ownership'>,
  ): Promise<SnapshotInfo>;
  statistics(scope?: Scope): Promise<SnapshotStatistics>;
  /** Removes the snapshots that are older than that, ms; returns those removed. */
  removeOlder(ageMs: number, scope?: Scope): Promise<SnapshotInfo[]>;
}

export interface VolumeService {
  /**
   * Makes an empty volume, which takes space on the host only as it is written to. Throws `volume_exists` when its
   * owner has another one of that name.
   */
  create(volume: NewVolumeInput, context?: VolumeContext): Promise<VolumeInfo>;
  /** Looks names and prefixes up within `scope`; default: all there are. Throws `volume_not_found`. */
  get(ref: string, scope?: Scope): Promise<VolumeInfo>;
  list(scope?: Scope): Promise<VolumeInfo[]>;
  /**
   * Makes it larger, with its file system: at once where a running sandbox writes to it and its hypervisor has the
   * feature `growDrives`, else when it is next attached for writing. Throws `invalid_argument` for a smaller size.
   */
  resize(ref: string, sizeMb: number, context?: CallContext): Promise<VolumeInfo>;
  /**
   * Deletes it with its contents. Refused with `volume_in_use` while a sandbox has it, and also where a stopped sandbox
   * would miss it at its next start, unless `force` is given.
   */
  remove(ref: string, options?: { readonly force?: boolean }): Promise<void>;
}

/** Private networks, which sandboxes join by their config (docs/networks.md). */
export interface NetworkService {
  /**
   * Makes a private network. Throws `network_exists` when its owner has another one of that name, and `conflict` where
   * its subnet overlaps with that of another network.
   */
  create(network: NewNetworkInput, context?: OwnedContext): Promise<NetworkInfo>;
  /** Looks names and prefixes up within `scope`; default: all there are. Throws `network_not_found`. */
  get(ref: string, scope?: Scope): Promise<NetworkInfo>;
  list(scope?: Scope): Promise<NetworkInfo[]>;
  /** Changes what its members may send each other, at once, also within connections that they have. */
  isolate(ref: string, isolation: Isolation, context?: CallContext): Promise<NetworkInfo>;
  /** Removes it. Refused with `network_in_use` while a sandbox is a member, running or not. */
  remove(ref: string): Promise<void>;
}

/** Default: the host itself owns it. */
export type PolicyContext = CallContext & Pick<CreateContext, 'ownership'>;

export interface ApprovalFilter {
  /** Of this sandbox, by its id, a prefix of it or its name; default: of all. */
  readonly sandbox?: string | undefined;
  /** Those alone that wait for an answer. */
  readonly pending?: boolean | undefined;
}

/**
 * Policies with names, which sandboxes name in their config, and questions about connections that a policy neither
 * allows nor denies. `ref` of a policy is its id or its name. A name means the policy of the sandbox's owner, or else
 * the host's.
 */
export interface PolicyService {
  /** Throws `conflict` when its owner, or the host, has another one of that name. */
  create(policy: NewPolicyInput, context?: PolicyContext): Promise<PolicyInfo>;
  get(ref: string, scope?: Scope): Promise<PolicyInfo>;
  list(scope?: Scope): Promise<PolicyInfo[]>;
  /** Changes it for all sandboxes that name it: what it denies now ends at once in those that run. */
  change(ref: string, policy: NetworkPolicyInput, context?: CallContext): Promise<PolicyInfo>;
  /** Refused with `conflict` while sandboxes name it, stopped ones included. */
  remove(ref: string): Promise<void>;
  /** Says what a policy does with a destination, and why. Where a name leads is not looked up. */
  test(policy: PolicyChoiceInput, wish: Wish, context?: PolicyContext): Promise<Explanation>;
  /**
   * The smallest policy that allows what a sandbox was let through to since it runs under a policy. Throws
   * `invalid_state` where it has none, or does not run.
   */
  learned(sandbox: string): Promise<LearnedPolicy>;
  /** Questions and answers, oldest first. They are forgotten with their sandbox. */
  approvals(filter?: ApprovalFilter, scope?: Scope): Promise<Approval[]>;
  /** Answers a question by its id, also one that was answered before. Throws `not_found`. */
  answer(id: string, answer: ApprovalAnswerInput, context?: CallContext): Promise<Approval>;
}

/** What a sandbox was denied, or what somebody is asked about it. */
export type NetworkEvent = { readonly about: SandboxInfo } & (
  | { readonly type: 'asked'; readonly approval: Approval }
  | ({ readonly type: 'denied' } & Pick<Extract<Tiding, { kind: 'denied' }>, 'counts' | 'denials' | 'more'>)
);

/** A call that makes something which belongs to somebody. */
export interface OwnedContext extends CallContext {
  /** Default: the host itself owns it. Names are unique among the things of one kind that one owner has. */
  readonly ownership?: Ownership | undefined;
}

export interface VolumeContext extends OwnedContext {
  /** Its id, where it has to be known before the volume is made; `newSandboxId()` makes one. */
  readonly id?: string | undefined;
}

/** The clones that wait, paused, to become sandboxes at once (docs/pool.md). */
export interface PoolService {
  status(): Promise<PoolStatus>;
  /** Ends the clones that wait; returns how many. The next sandbox that is made starts the pool again. */
  drain(): Promise<number>;
}

/** How many clones an engine keeps ready. Clones take memory and a slot of the network each, and no CPU. */
export interface PoolOptions {
  /** `auto`: one for each of `ready`, and as many of any shape as demand needs; or that many of each of `ready`. */
  readonly size: 'auto' | number;
  /** The most clones in all; default 8. */
  readonly max?: number | undefined;
  /** The sandboxes that clones are kept ready for without any demand; default: those of the template `base`. */
  readonly ready?: readonly SandboxConfigInput[] | undefined;
}

/** A change of the pool, as it happens. */
export interface PoolEvent {
  readonly type: 'made' | 'hit' | 'missed' | 'discarded';
  readonly templateId: string | null;
  readonly cloneId: string | null;
  /** For `missed` and `discarded`. */
  readonly reason: PoolMiss | PoolDiscard | null;
  readonly problem: string | null;
}

export interface CollectOptions {
  /** Removes nothing, and reports what would be removed. */
  readonly dryRun?: boolean;
  /**
   * Also removes what somebody might still want: files of sandboxes that the store does not know, what a restored
   * backup has replaced, copies from before an upgrade, and what makes the next build quicker.
   */
  readonly all?: boolean;
  /** Leaves images alone that were needed until a short while ago: nobody has asked for their removal. */
  readonly gentle?: boolean;
}

/** The space that NovaSandbox takes on the host's disk. */
export interface StorageService {
  usage(context?: CallContext): Promise<StorageUsage>;
  /**
   * Removes what nobody needs any more. Whatever a template, a sandbox or a snapshot needs stays, and so does what
   * something that is being made now may need. What was removed too much is made again when it is needed.
   */
  collect(options?: CollectOptions, context?: CallContext): Promise<Collected>;
}

export interface HypervisorReport {
  readonly name: HypervisorName;
  readonly features: DriverFeatures;
  readonly probe: DriverProbe;
}

/** The events to report. */
export interface EventFilter {
  /** Only events of this sandbox, until it is removed. */
  readonly sandbox?: string | undefined;
  /** Types, or prefixes of types such as `vm`; default: all. */
  readonly types?: readonly EventKind[] | undefined;
  /** Events after the event of that id, or from that time on, as far as they are kept; default: events from now on. */
  readonly since?: number | Date | undefined;
  /** false: only events that are kept already. */
  readonly follow?: boolean | undefined;
}

/** Where an engine's sandboxes are: in a state folder of this host, or behind the address of a daemon. */
export type EnginePlace = { readonly home: string } | { readonly url: string };

export interface Engine extends AsyncDisposable {
  readonly place: EnginePlace;
  readonly sandboxes: SandboxService;
  readonly exec: ExecService;
  readonly files: FileService;
  readonly templates: TemplateService;
  readonly snapshots: SnapshotService;
  readonly volumes: VolumeService;
  readonly policies: PolicyService;
  readonly networks: NetworkService;
  readonly pool: PoolService;
  readonly storage: StorageService;
  /**
   * The capabilities of each hypervisor on this host, for guests of its own processor or of another; `fresh` probes
   * again.
   */
  hypervisors(options?: {
    readonly fresh?: boolean;
    readonly signal?: AbortSignal;
    readonly architecture?: ArchitectureName;
  }): Promise<HypervisorReport[]>;
  /**
   * Events of sandboxes, until the iteration is left or `signal` aborts. A daemon keeps the newest events, and reports
   * commands too. Without a daemon, changes are reported as they are seen, from now on: `since` and `follow: false`
   * throw `feature_unsupported`.
   */
  events(filter?: EventFilter, context?: CallContext): AsyncIterable<SandboxEvent>;
  /** Ends this process's part: sessions are closed and leases given back. Sandboxes run on. */
  close(): Promise<void>;
}

/** An engine in this process, whose drivers can be read without a call. */
export interface LocalEngine extends Engine {
  /**
   * The hypervisors that it has drivers for, in the order in which `auto` prefers them, with the features that each has
   * on any host.
   */
  readonly drivers: ReadonlyMap<HypervisorName, DriverFeatures>;
  /** Has every waking of a hibernated sandbox admitted, whoever asks for it; the last one given counts. */
  admitWakings(admit: AdmitWaking): void;
  /** Calls `listen` at each change of the pool until the result is disposed. `listen` must not throw. */
  onPoolEvent(listen: (event: PoolEvent) => void): Disposable;
  /**
   * Calls `listen` with denials and questions of sandboxes until the result is disposed. A sandbox with many of them is
   * told of by counts. `listen` must not throw.
   */
  onNetworkEvent(listen: (event: NetworkEvent) => void): Disposable;
  /**
   * Makes a clone that outlives this process and waits for the next create in this state folder, for `keepMs`. `ender`
   * is a command that calls `endLeftClones` when that time is over. False where
   * one waits already, or none can be made.
   */
  leaveClone(
    config: SandboxConfigInput,
    how: { readonly keepMs: number; readonly ender: readonly string[] } & CallContext,
  ): Promise<boolean>;
  /**
   * Ends the machine of a running sandbox, and leaves its removal to the next process that opens the engine, once this
   * one has ended. For a process that ends at once and starts another.
   */
  abandon(ref: string): Promise<void>;
  /** Ends the clones that were left for a time that is over, or that this process holds. */
  endLeftClones(): Promise<void>;
}

export interface EngineOptions {
  /**
   * Drivers of your own, besides ours and those that NOVA_DRIVERS names (docs/drivers.md). `auto` chooses one of them
   * only where none of ours can serve.
   */
  readonly drivers?: readonly CreateDriver[];
  /** State folder; default NOVA_HOME, else /var/lib/novasandbox (root) or ~/.novasandbox. */
  readonly home?: string;
  /**
   * Also removes the leftovers (VMMs, folders) of sandboxes that no store knows. Only for the one process that looks
   * after a state folder.
   */
  readonly recover?: boolean;
  /**
   * With `recover`: the number of network slots to keep ready (docs/networking.md), so that a sandbox need not wait for
   * one; default 0.
   */
  readonly readySlots?: number;
  /** The network policy of new sandboxes that name none: a name, or the policy itself; default `all`. */
  readonly defaultPolicy?: PolicyChoiceInput | undefined;
  /** Keeps clones ready while the engine is open; default: none. Those that others have left are used all the same. */
  readonly pool?: PoolOptions | undefined;
}
