import type { Duplex } from 'node:stream';
import type { ArchitectureName, DriverFeatures, HypervisorName, ProgressSink } from '@novasandbox/protocol';

/**
 * The interface to a hypervisor. A driver can start, restore and end one VMM process. It holds no policy, no database
 * and no list of sandboxes. One conformance suite runs against every driver (tests/conformance).
 */

/** Options of a call that can be aborted: on abort it rejects with `cancelled`. */
export interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** The limits of one drive, or of one direction of one network. Absent fields are not limited. */
export interface RateLimit {
  readonly bytesPerSecond?: number | undefined;
  readonly operationsPerSecond?: number | undefined;
}

export interface DriverProbe {
  readonly available: boolean;
  /** `kvm`, `hvf`, `tcg`, `vz` for Apple's Virtualization framework, or `none` for the process driver. */
  readonly accelerator: string;
  readonly version: string;
  readonly binary: string;
  /** One line for people: what is used and why, or what is missing. */
  readonly reason: string;
}

export interface Drive {
  /** Raw image on the host. The order of drives is the order of devices in the guest: vda, vdb, ... */
  readonly path: string;
  readonly readOnly: boolean;
  /** The file belongs to the caller: we open it and pass it on open, and its owner and mode stay as they are. */
  readonly foreign: boolean;
  readonly rateLimit?: RateLimit | undefined;
}

export interface MachineSpec {
  /** Sandbox id: names processes, cgroups and sockets. */
  readonly id: string;
  /** Running number of the sandbox in its state folder. */
  readonly sequence: number;
  /**
   * The machine's own folder, which exists and contains only the drives. The driver makes its logs here (vmm/logs.ts).
   * The folder stays ours; the files that the VMM writes are given to its user one by one.
   */
  readonly directory: string;
  /**
   * Short directory for Unix sockets (their paths are limited to about 104 bytes). It stays ours, except for a folder
   * in it (layout.ts).
   */
  readonly socketDirectory: string;
  /** The processor that kernel and initramfs are for. */
  readonly architecture: ArchitectureName;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly kernel: string;
  readonly initramfs: string;
  /** Firmware image that boots the first drive in place of `kernel` and `initramfs`, which are then empty. */
  readonly firmware?: string | undefined;
  /** The guest is Windows, or wants the interfaces of Hyper-V. */
  readonly hyperv?: boolean | undefined;
  /** Arguments for the kernel's command line. The driver adds its own (console, channel to the agent, TSC). */
  readonly kernelArguments: readonly string[];
  readonly drives: readonly Drive[];
  readonly network: NetworkSpec;
  /** How many host processes can talk to the agent at once, where each needs a channel of its own. */
  readonly channels: number;
  /** Whether the VMM yields to those of others (vmm/priority.ts), because nobody waits for the machine. */
  readonly lowPriority?: boolean | undefined;
}

export type TapNetwork = Extract<NetworkSpec, { mode: 'tap' }>;
export type NetworkSpec =
  | { readonly mode: 'none' }
  /** The system's own NAT, where the driver has the feature `natNetwork`. */
  | { readonly mode: 'nat' }
  | { readonly mode: 'user'; readonly forwards: readonly { readonly hostPort: number; readonly guestPort: number }[] }
  | {
      readonly mode: 'tap';
      /** Network namespace by its name (ip-netns(8)); the VMM runs in it. */
      readonly namespace: string;
      /**
       * Where we are not root, the process whose user and network namespaces the VMM joins: they have no name. Default:
       * the namespace has one.
       */
      readonly keeper?: number | undefined;
      /** Name of the tap device in it, for the VMM to attach to. */
      readonly tap: string;
      /**
       * Address of the guest's interface. It is the same in every slot, so that clones of a snapshot keep a working
       * network.
       */
      readonly mac: string;
      readonly rateLimit?: RateLimit | undefined;
    };

/**
 * A memory snapshot on disk. `directory` holds files that only its driver reads. It is immutable once made, because
 * clones map it.
 */
export interface SnapshotFiles {
  readonly directory: string;
  /**
   * Folder of another snapshot that holds the pages missing in this one, which can be restored only as long as that
   * folder exists. Default: this snapshot holds all of the memory.
   */
  readonly memoryFrom?: string | undefined;
}

/** A snapshot that is about to be written. Disposing closes its files, and leaves them where they are. */
export interface PreparedSnapshot extends AsyncDisposable {
  /**
   * The files of the snapshot, still empty; null where a machine cannot be started from them before they are written
   * (`RestoreOptions.whole`).
   */
  readonly files: SnapshotFiles | null;
  /** Writes them, as `snapshot` does, while the machine is paused. */
  write(): Promise<SnapshotFiles>;
}

/** The facts needed to find a machine again after the process that started it has ended. It is stored as JSON. */
export interface MachineRecord {
  readonly driver: HypervisorName;
  readonly id: string;
  readonly pid: number;
  /**
   * Start time of the process, in the host's own unit. A pid alone is not enough, because it may have been given to
   * another process.
   */
  readonly startTime: string;
  readonly directory: string;
  readonly socketDirectory: string;
  readonly channels: number;
  readonly cgroup: string | null;
  /**
   * Folder of the snapshot whose memory the machine shares as a clone. It is set where the driver writes later
   * snapshots as the difference from that memory.
   */
  readonly memoryFrom?: string | null | undefined;
  /** Size of the guest's memory. */
  readonly memoryBytes?: number | undefined;
}

export interface MachineStats {
  readonly rssBytes: number;
  readonly cpuUs: number;
}

export interface SnapshotOptions extends Cancellable {
  readonly kind?: 'full' | 'diff';
  readonly memoryFolders?: readonly string[] | undefined;
}

/**
 * One running VMM. Disposing stops it at once. `stop` is idempotent and may be called in any state; `pause` and
 * `resume` are idempotent; pause, resume, snapshot and stop of one machine are serialised by the caller. `connect` may
 * run at any time and many times at once, on different channels.
 */
export interface Machine extends AsyncDisposable {
  readonly record: MachineRecord;
  /** Settles when the VMM process has ended; never rejects. */
  readonly exited: Promise<void>;
  /**
   * A byte stream to the agent. `channel` is below `record.channels`. Fails with `guest_unreachable`, or `cancelled` on
   * abort.
   */
  connect(channel: number, options: Cancellable): Promise<Duplex>;
  pause?(options: Cancellable): Promise<void>;
  resume?(options: Cancellable): Promise<void>;
  /**
   * Writes memory and device state into `directory`, which exists. With the feature `liveSnapshot` the machine goes on
   * as it was, running or paused; without it, it must have been launched with `snapshotTo: directory`. A machine that
   * was launched so may have ended afterwards. `diff`, where the driver supports it, writes only the memory changed
   * since the last snapshot, into a directory that holds a copy of that one. The caller copies the drives. Files of a
   * machine that goes on belong to us afterwards, but it may still have them open: rely on them only once it has ended.
   * `memoryFolders` are the folders in which the snapshot that its record names as `memoryFrom` may lie now, because
   * snapshots are moved when others take their places; default: it lies where it lay.
   */
  snapshot?(directory: string, options: SnapshotOptions): Promise<SnapshotFiles>;
  /**
   * Does the part of a snapshot of the machine that needs no guest that stands still. `snapshot` without it does the
   * same.
   */
  prepareSnapshot?(directory: string, options: Pick<SnapshotOptions, 'memoryFolders'>): Promise<PreparedSnapshot>;
  /** Sets vCPUs and memory, within what the machine was launched for. Feature `resize`. */
  resize?(
    to: { readonly vcpus?: number | undefined; readonly memoryMb?: number | undefined },
    options: Cancellable,
  ): Promise<void>;
  /** Sets the memory that the guest has to give back to the host, MiB; 0 returns all. Feature `balloon`. */
  setBalloon?(reclaimMb: number, options: Cancellable): Promise<void>;
  /**
   * Tells the guest that the file of the drive with that index in the spec has become larger, and has `bytes` now.
   * Feature `growDrives`.
   */
  growDrive?(index: number, bytes: number, options: Cancellable): Promise<void>;
  /** Adds a drive to the running guest and returns the device's name for `removeDevice`. Feature `hotplug`. */
  addDrive?(drive: Drive, options: Cancellable): Promise<string>;
  /**
   * Gives the running guest a network, where it has none. The tap was made in the namespace in which the machine runs
   * already. Feature `hotplug`.
   */
  addNetwork?(network: TapNetwork, options: Cancellable): Promise<void>;
  /**
   * Removes the network of the running guest, which lets go of it a moment later. A guest without one is left alone.
   * Feature `hotplug`.
   */
  removeNetwork?(options: Cancellable): Promise<void>;
  removeDevice?(name: string, options: Cancellable): Promise<void>;
  /**
   * Whether the guest stands still: it was paused, or (`disk-full`) it waits because the host has no space for its
   * writes, and continues from there when it is resumed. It exists only on machines that can wait like this; guests of
   * other machines get a disk error.
   */
  standsStill?(options: Cancellable): Promise<boolean | 'disk-full'>;
  stats(): Promise<MachineStats>;
  /**
   * Ends the VMM process: politely for `graceMs`, then by force. Returns when it has ended and its sockets are gone.
   */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /** Forgets the process without ending it. Timers and handles are released so that this process can exit. */
  release(): void;
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
  /** Probes again, whatever an earlier probe has found. */
  readonly fresh?: boolean;
  /**
   * The processor of the guests; default: the host's own. Another is asked about only where `foreignArchitectures` is
   * true.
   */
  readonly architecture?: ArchitectureName | undefined;
}

export interface LaunchOptions {
  readonly signal?: AbortSignal | undefined;
  /** The directory into which the machine will be snapshotted: its memory is backed by a file there. */
  readonly snapshotTo?: string;
}

export interface RestoreOptions extends Cancellable {
  /**
   * Resolves once the files of the snapshot and the writable drives, which have their sizes, are written. It is called
   * when the VMM has opened them. Only for files that `PreparedSnapshot` has named; default: they are written.
   */
  readonly whole?: (() => Promise<void>) | undefined;
}

export interface VmmDriver {
  readonly name: HypervisorName;
  /** Each optional method exists exactly when its feature says so. */
  readonly features: DriverFeatures;
  /** The most vCPUs that a machine can have, where the VMM itself sets a limit. */
  readonly maxVcpus?: number;
  /**
   * Whether the hypervisor works on this host, proved by booting with it. The driver caches the result for as long as
   * host boot and binary stay the same. The first probe may have to make a kernel, which is reported to `progress`.
   */
  probe(options?: ProbeOptions): Promise<DriverProbe>;
  /**
   * Identifies everything besides the spec that decides whether a snapshot can be restored: VMM version, accelerator,
   * CPU model. It is part of the snapshot's key.
   */
  snapshotKey(architecture: ArchitectureName): Promise<string>;
  /**
   * Boots a machine. Resolves as soon as the VMM runs; the guest may still be booting. After an abort or an error only
   * `directory` is left.
   */
  launch(spec: MachineSpec, options: LaunchOptions): Promise<Machine>;
  /**
   * Continues a snapshot as a clone. The spec's shape must be the snapshot's. After an abort or an error nothing is
   * left.
   */
  restore?(spec: MachineSpec, snapshot: SnapshotFiles, options: RestoreOptions): Promise<Machine>;
  /** Ends probes that are in progress, and returns when nothing of them is left. */
  endProbes?(): Promise<void>;
  /** Finds a machine again; null when it has ended. */
  attach(record: MachineRecord): Promise<Machine | null>;
}
