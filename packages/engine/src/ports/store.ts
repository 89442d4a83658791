import type {
  HypervisorName,
  Isolation,
  NetworkPolicy,
  Ownership,
  PinnedNames,
  SandboxConfig,
  SandboxState,
  Scope,
  ServedSecret,
  SnapshotKind,
} from '@novasandbox/protocol';
import type { Question } from './egress.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { MachineRecord } from './vmm-driver.ts';

/** The stored record of a sandbox. Facts about processes in it are checked against the host before they are used. */
export interface SandboxRecord extends Ownership {
  /** Running number on this host, given by the store. */
  readonly sequence: number;
  readonly id: string;
  readonly name: string | null;
  readonly state: SandboxState;
  readonly config: SandboxConfig;
  readonly hypervisor: HypervisorName;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly diskSizeMb: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly stoppedAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly pausedAtMs: number | null;
  readonly bootTimeMs: number | null;
  readonly bootKind: 'cold' | 'snapshot' | 'process' | null;
  readonly accelerator: string | null;
  readonly machine: MachineRecord | null;
  /**
   * The process that is making, stopping or removing it. Once that process has ended, the next process that looks
   * finishes the work.
   */
  readonly maker: ProcessIdentity | null;
  /**
   * true: its maker is removing it. false: it stays when its machine ends, although it is ephemeral, because its maker
   * starts it again. Default: it goes when its machine ends if it is ephemeral.
   */
  readonly goesWithMaker?: boolean | undefined;
  readonly reason: string | null;
  /** The source that its guest was booted from; null before the first boot, and for a process of the host. */
  readonly bootedFrom: BootedFrom | null;
  /** The snapshot that it was last taken to, made from, or taken back to. */
  readonly snapshotId: string | null;
  /** When it was last taken back to a snapshot. */
  readonly restoredAtMs: number | null;
  /** The sandbox that it is a fork of. */
  readonly forkedFrom: string | null;
  /**
   * The process that has stopped the guest for a moment to read its memory and disk. Once that process has ended, the
   * next process that looks lets the guest go on.
   */
  readonly holder: ProcessIdentity | null;
  /** How it goes on, where it is hibernated or about to be. */
  readonly sleep: Sleep | null;
  /**
   * Its place in the warm pool, where it is a clone that waits to become somebody's sandbox. It is `creating` all that
   * time, and its maker is the process that keeps it.
   */
  readonly pool: PoolPlace | null;
  /**
   * The names that its guest was given addresses for under its policy, as they were last looked at: its memory may hold
   * them.
   */
  readonly names: PinnedNames;
  /** Its secrets, with those that were removed and that its guest may still know. */
  readonly secrets: readonly StoredSecret[];
  /** The authority that its guest trusts, so that its TLS can be read; null: none yet. */
  readonly authority: StoredAuthority | null;
  /** Disks of its running guest that were full when it was last looked at, by their mount points. */
  readonly fullDisks: readonly string[];
}

/** A clone in the warm pool. */
export interface PoolPlace {
  /** Digest of the golden snapshot that it is a clone of: it can become any sandbox that would be a clone of it. */
  readonly shape: string;
  /** false while it is being brought up. */
  readonly ready: boolean;
  /**
   * When it is ended if nobody has taken it by then, ms since 1970. Its maker is then a process that waits for that
   * moment, and that leads a process group. Null: its maker keeps it for as long as it likes.
   */
  readonly expiresAtMs: number | null;
}

export interface Sleep {
  /**
   * The golden snapshot that holds the memory which its own file lacks, by its digest. Null: nothing is lacking, or it
   * goes on from its disk alone.
   */
  readonly memoryFrom: string | null;
  /** Whether its memory was kept; false: it boots when it is resumed. */
  readonly memory: boolean;
  /**
   * When its disks were last written to, ns since 1970. Memory goes on only with the disks that it knows. Null: it has
   * none, or boots from them.
   */
  readonly diskWrittenNs: string | null;
}

/** The files and the network that memory needs to find as they were where it goes on. */
export interface BootedFrom {
  /** Digest of the root image, and the mark of its file. An image that is built again has the digest, not the mark. */
  readonly root: string;
  readonly rootMark: string;
  readonly network: 'none' | 'user' | 'slot' | 'nat';
}

/** A secret as it is stored. */
export interface StoredSecret extends Omit<ServedSecret, 'value'> {
  /** Its value, sealed (ports/seals.ts). Null: it was removed, and the guest still knows its placeholder. */
  readonly sealed: string | null;
  /** The environment variable with the placeholder. */
  readonly env: string | null;
}

/** The authority of a sandbox. */
export interface StoredAuthority {
  /** As PEM. */
  readonly certificate: string;
  readonly sealedKey: string;
}

/** The stored record of a snapshot. */
export interface SnapshotRecord extends Ownership {
  /** Running number on this host, given by the store. */
  readonly sequence: number;
  readonly id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly kind: SnapshotKind;
  readonly labels: Readonly<Record<string, string>>;
  readonly sandboxId: string;
  readonly sandboxName: string | null;
  readonly parentId: string | null;
  readonly createdAtMs: number;
  /** The config of the sandbox, which those that are made from the snapshot go on with. */
  readonly config: SandboxConfig;
  readonly hypervisor: HypervisorName;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly diskSizeMb: number;
  /** `rootMark` is that of the image's content. Null: not known, so that only the disk can be used. */
  readonly bootedFrom: BootedFrom | null;
  /**
   * The golden snapshot that holds the memory which this one lacks, by its digest, or another snapshot by its id. Null:
   * it holds all of its memory, or none.
   */
  readonly memoryFrom: string | null;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly stoppedMs: number;
  /** The names that the guest in its memory was given addresses for. */
  readonly names: PinnedNames;
}

export type NewSandbox = Omit<
  SandboxRecord,
  | 'sequence'
  | 'state'
  | 'startedAtMs'
  | 'stoppedAtMs'
  | 'expiresAtMs'
  | 'pausedAtMs'
  | 'bootTimeMs'
  | 'bootKind'
  | 'accelerator'
  | 'machine'
  | 'reason'
  | 'bootedFrom'
  | 'snapshotId'
  | 'restoredAtMs'
  | 'forkedFrom'
  | 'holder'
  | 'sleep'
  | 'pool'
  | 'fullDisks'
  | 'names'
  | 'secrets'
  | 'authority'
> &
  Partial<Pick<SandboxRecord, 'snapshotId' | 'forkedFrom' | 'pool' | 'names' | 'secrets' | 'authority'>>;
export type SandboxChange = Partial<Omit<SandboxRecord, 'sequence' | 'id' | 'createdAtMs' | keyof Ownership>>;

/** The stored record of a volume. */
export interface VolumeRecord extends Ownership {
  readonly id: string;
  readonly name: string;
  readonly sizeMb: number;
  readonly createdAtMs: number;
  /**
   * The process that makes or removes it; null: it can be used. Once that process has ended, the next process that
   * looks removes what is left.
   */
  readonly maker: ProcessIdentity | null;
}

/** A network policy with a name. */
export interface PolicyRecord extends Ownership {
  readonly id: string;
  readonly name: string;
  readonly policy: NetworkPolicy;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

/** A question about connections of a sandbox, and the last answer to it. */
export interface ApprovalRecord {
  readonly id: string;
  readonly sandboxId: string;
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly askedAtMs: number;
  readonly answer: 'allow' | 'deny' | null;
  readonly scope: 'once' | 'session' | 'always' | null;
  readonly untilMs: number | null;
}

export type VolumeChange = Partial<Pick<VolumeRecord, 'sizeMb' | 'maker'>>;

/**
 * A volume that a sandbox was created with. `held`: the sandbox has it now, and it keeps others from it: all others if
 * it may write, those that want to write if it only reads. The store ends this when it records that the sandbox has
 * stopped or was removed.
 */
export interface VolumeUse {
  readonly volumeId: string;
  readonly sandboxId: string;
  /** Its place among the volumes of the sandbox. */
  readonly position: number;
  readonly readOnly: boolean;
  readonly held: boolean;
}

/** The stored record of a private network. */
export interface NetworkRecord extends Ownership {
  readonly id: string;
  readonly name: string;
  readonly subnet: string;
  readonly isolation: Isolation;
  readonly bridge: string;
  readonly createdAtMs: number;
}

/** A sandbox in a private network. It keeps its address until it is removed. */
export interface NetworkMembership {
  readonly network: NetworkRecord;
  readonly sandboxId: string;
  readonly address: string;
}

/**
 * The interface to the state that outlives a process. Several processes of a host use one store at once. Each call is
 * one transaction, which survives the end of the process.
 */
export interface Store extends Disposable {
  /** Throws `sandbox_exists` when its owner already has a sandbox of that name. */
  addSandbox(sandbox: NewSandbox): SandboxRecord;
  /**
   * Turns the clone of that shape which has waited longest in the warm pool into a new sandbox, which keeps the clone's
   * id and machine, and returns it with the clone as it was. No two calls get the same clone. Null when none is ready.
   * Throws as `addSandbox` does.
   *
   * @param beforehand called with the id before the sandbox exists
   */
  takeFromPool(
    shape: string,
    sandbox: Omit<NewSandbox, 'id' | 'pool'>,
    beforehand?: (id: string) => void,
  ): { readonly record: SandboxRecord; readonly clone: SandboxRecord } | null;
  /**
   * Makes this process the maker of a clone in the warm pool, which nobody can take from now on, and returns the clone
   * as it was. Null where somebody has taken it.
   */
  withdrawFromPool(id: string): SandboxRecord | null;
  /**
   * Finds a sandbox by its id, its name, or an unambiguous prefix of its id, only within `scope`. Throws `conflict` for
   * a name that several have.
   */
  findSandbox(ref: string, scope?: Scope): SandboxRecord | null;
  /** Clones in the warm pool are among them; `findSandbox` does not find those. */
  listSandboxes(states?: readonly SandboxState[]): SandboxRecord[];
  /**
   * Applies the change if the state is still one of `from`, and if machine and maker are still those of `unchanged`,
   * where these are given. Returns the changed record, or null when the sandbox has changed or is gone. A change that
   * the table of transitions does not allow is an error of the program, and throws. A new name that another sandbox of
   * the owner has throws `sandbox_exists`.
   */
  changeSandbox(
    id: string,
    from: readonly SandboxState[],
    change: SandboxChange,
    unchanged?: Partial<Pick<SandboxRecord, 'machine' | 'maker'>>,
  ): SandboxRecord | null;
  removeSandbox(id: string): void;
  /** Throws `conflict` when its sandbox already has a snapshot of that name. */
  addSnapshot(snapshot: Omit<SnapshotRecord, 'sequence'>): SnapshotRecord;
  /**
   * Finds a snapshot by its id, its name, or an unambiguous prefix of its id, only within `scope`, and only of the
   * sandbox `of` where it is given. Throws `conflict` for a name that several have.
   */
  findSnapshot(ref: string, scope?: Scope, of?: string): SnapshotRecord | null;
  /** Parses the record of a snapshot that came from elsewhere. Throws `invalid_argument` for anything else. */
  parseSnapshot(record: unknown): Omit<SnapshotRecord, 'sequence'>;
  /** In the order in which they were taken. */
  listSnapshots(): SnapshotRecord[];
  removeSnapshot(id: string): void;
  /** Throws `volume_exists` when its owner already has a volume of that name. */
  addVolume(volume: VolumeRecord): void;
  /**
   * Finds a volume by its id, its name, or an unambiguous prefix of its id, only within `scope`. Throws `conflict` for
   * a name that several have.
   */
  findVolume(ref: string, scope?: Scope): VolumeRecord | null;
  listVolumes(): VolumeRecord[];
  /** Returns the changed record, or null when the volume is gone. */
  changeVolume(id: string, change: VolumeChange): VolumeRecord | null;
  /**
   * Notes that this process removes a volume, so that no sandbox gets it any more, unless uses for which `keeps` holds
   * are in the way, which are returned.
   */
  beginVolumeRemoval(id: string, keeps: (use: VolumeUse) => boolean): VolumeUse[];
  /** Removes a volume from the store, with all that is known about its use. */
  removeVolume(id: string): void;
  /**
   * Gives the sandbox its volumes, in that order. Where others keep it from one of them, it gets none, and their uses
   * are returned; an empty list means that it has them all. Throws `volume_not_found` where one is gone or goes.
   */
  takeVolumes(sandboxId: string, volumes: readonly Pick<VolumeUse, 'volumeId' | 'readOnly'>[]): VolumeUse[];
  /** The volumes of a sandbox, in order. */
  volumesOf(sandboxId: string): VolumeUse[];
  /** The sandboxes that were created with a volume. */
  usesOf(volumeId: string): VolumeUse[];
  /** Throws `conflict` when its owner, or the host, already has a policy of that name. */
  addPolicy(policy: PolicyRecord): void;
  /** Finds a policy by its id or its name, only within `scope`. Throws `conflict` for a name that several have. */
  findPolicy(ref: string, scope?: Scope): PolicyRecord | null;
  /** The policy that the sandboxes of an owner mean by a name: the owner's, or else the host's. */
  policyNamed(name: string, owner: string | null): PolicyRecord | null;
  listPolicies(): PolicyRecord[];
  /** Returns the changed record, or null when the policy is gone. */
  changePolicy(id: string, policy: NetworkPolicy, nowMs: number): PolicyRecord | null;
  /** Removes a policy, unless sandboxes name it, whose ids are returned. */
  removePolicy(id: string): string[];
  /** The ids of the sandboxes that name a policy, whatever their state. */
  sandboxesUnder(policy: Pick<PolicyRecord, 'id' | 'name'>): string[];
  /** Records a question; true if it is new, or is asked again after it was answered. */
  noteQuestion(question: Question): boolean;
  findApproval(id: string): ApprovalRecord | null;
  /** Oldest first; of one sandbox where it is given. They are removed with their sandbox. */
  listApprovals(sandboxId?: string): ApprovalRecord[];
  /** Returns the changed record, or null when the question is gone. */
  answerApproval(id: string, answer: Pick<ApprovalRecord, 'answer' | 'scope' | 'untilMs'>): ApprovalRecord | null;
  /**
   * Throws `network_exists` when its owner already has a network of that name, `conflict` where its subnet overlaps
   * with that of another network, and `host_resource_exhausted` where no subnet is free. `subnet` null: a free one.
   */
  addNetwork(network: Omit<NetworkRecord, 'subnet'> & { readonly subnet: string | null }): NetworkRecord;
  /**
   * Finds a network by its id, its name, or an unambiguous prefix of its id, only within `scope`. Throws `conflict` for
   * a name that several have.
   */
  findNetwork(ref: string, scope?: Scope): NetworkRecord | null;
  listNetworks(): NetworkRecord[];
  /** Returns the changed record, or null when the network is gone. */
  changeNetwork(id: string, change: Pick<NetworkRecord, 'isolation'>): NetworkRecord | null;
  /** Removes a network unless it has members, which are returned. */
  removeNetwork(id: string): NetworkMembership[];
  /**
   * Makes a sandbox a member of these networks, in that order, with an address in each. Where it is one already it
   * keeps its addresses. Throws `network_not_found` where one is gone, and `host_resource_exhausted` where one is full.
   */
  joinNetworks(sandboxId: string, networkIds: readonly string[]): void;
  /** The memberships of a sandbox, in the order in which it has joined. */
  membershipsOf(sandboxId: string): NetworkMembership[];
  /** By their addresses. */
  membersOf(networkId: string): NetworkMembership[];
  /**
   * Waits until all that was recorded so far outlives a crash of the host too. Without it, the last seconds may be lost
   * then.
   */
  flush(): void;
  /** Takes one of `count` numbered leases of a thing for this process. Null when living processes hold all of them. */
  takeLease(thing: string, count: number): number | null;
  releaseLease(thing: string, number: number): void;
}
