import type { Duplex } from 'node:stream';
import type { ArchitectureName, DriverFeatures, HypervisorName, ProgressSink } from '@novasandbox/protocol';

/**
 * The seam to a hypervisor. A driver knows how to start, restore and end one VMM process; it holds no policy, no database and no
 * list of sandboxes. One conformance suite runs against every driver (tests/conformance).
 */

/** Of one drive or one direction of one network; what is left out is not limited. */
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
  /** The caller's own file: it is opened by us and handed over open, its owner and mode stay as they are. */
  readonly foreign: boolean;
  readonly rateLimit?: RateLimit | undefined;
}

export interface MachineSpec {
  /** Sandbox id: names processes, cgroups and sockets. */
  readonly id: string;
  /** Running number of the sandbox in its state folder. */
  readonly sequence: number;
  /**
   * Exists, is empty but for the drives, is for this machine alone. The driver makes its logs here (vmm/logs.ts). It stays ours: what the VMM writes is given to
   * its user file by file.
   */
  readonly directory: string;
  /** Short directory for Unix sockets (their paths are limited to about 104 bytes). It stays ours, but for a folder in it (layout.ts). */
  readonly socketDirectory: string;
  /** What kernel and initramfs are for. */
  readonly architecture: ArchitectureName;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly kernel: string;
  readonly initramfs: string;
  /** Firmware image that boots the first drive instead of `kernel` and `initramfs`, which are then empty. */
  readonly firmware?: string | undefined;
  /** The guest is Windows or asks for its hypervisor's interfaces. */
  readonly hyperv?: boolean | undefined;
  /** Words for the guest's command line; the driver adds its own (console, channel to the agent, TSC). */
  readonly kernelArguments: readonly string[];
  readonly drives: readonly Drive[];
  readonly network: NetworkSpec;
  /** Host processes that can talk to the agent at once, where the channel is one connection each. */
  readonly channels: number;
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
      /** Name of the tap device in it, for the VMM to attach to. */
      readonly tap: string;
      /** Of the guest's interface; the same in every slot, so that clones of a snapshot keep a working network. */
      readonly mac: string;
      readonly rateLimit?: RateLimit | undefined;
    };

/** A memory snapshot on disk: `directory` holds files only its driver reads. Immutable once made: clones map it. */
export interface SnapshotFiles {
  readonly directory: string;
}

/** What it takes to find a machine again after the process that started it has ended. Stored as JSON. */
export interface MachineRecord {
  readonly driver: HypervisorName;
  readonly id: string;
  readonly pid: number;
  /** Start time of the process, in the host's own unit: a pid alone may have been given to another. */
  readonly startTime: string;
  readonly directory: string;
  readonly socketDirectory: string;
  readonly channels: number;
  readonly cgroup: string | null;
}

export interface MachineStats {
  readonly rssBytes: number;
  readonly cpuUs: number;
}

/**
 * One running VMM. Disposing stops it at once. `stop` is idempotent and may be called in any state; `pause` and `resume` are
 * idempotent; pause, resume, snapshot and stop of one machine are serialised by the caller. `connect` may run at any time and many
 * times at once, on different channels.
 */
export interface Machine extends AsyncDisposable {
  readonly record: MachineRecord;
  /** Settles when the VMM process has ended; never rejects. */
  readonly exited: Promise<void>;
  /** A byte stream to the agent. `channel` is below `record.channels`. Fails with `guest_unreachable`, or `cancelled` on abort. */
  connect(channel: number, options: { readonly signal?: AbortSignal | undefined }): Promise<Duplex>;
  pause?(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  resume?(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Writes memory and device state into `directory`, which exists. With the feature `liveSnapshot` the machine goes on as it was, running or
   * paused; without it, it must have been launched with `snapshotTo: directory` and has ended afterwards. `diff`, where the driver can:
   * only the memory changed since its last snapshot, into a directory that holds a copy of that one. Drives are the caller's to copy.
   * Files of a machine that goes on are ours afterwards, but it may still have them open: they are to be relied upon once it has ended.
   */
  snapshot?(
    directory: string,
    options: { readonly signal?: AbortSignal | undefined; readonly kind?: 'full' | 'diff' },
  ): Promise<SnapshotFiles>;
  /** vCPUs and memory from now on, within what the machine was launched for. Feature `resize`. */
  resize?(
    to: { readonly vcpus?: number | undefined; readonly memoryMb?: number | undefined },
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** Memory the guest has to give back to the host, MiB; 0 returns all. Feature `balloon`. */
  setBalloon?(reclaimMb: number, options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Adds a drive to the running guest and returns the device's name for `removeDevice`. Feature `hotplug`. */
  addDrive?(drive: Drive, options: { readonly signal?: AbortSignal | undefined }): Promise<string>;
  /**
   * Gives the running guest a network, where it has none. The machine is in the tap's namespace already: that was its own before the tap was made in it.
   * Feature `hotplug`.
   */
  addNetwork?(network: TapNetwork, options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Takes its network from the running guest, which lets go of it a moment later; one without is left alone. Feature `hotplug`. */
  removeNetwork?(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  removeDevice?(name: string, options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Whether the guest stands still: it was paused, or (`disk-full`) waits as the host had no space for what it writes, and goes on where it was when it is
   * resumed. Only of machines that can wait so; the guests of others are told of an error of their disk.
   */
  standsStill?(options: { readonly signal?: AbortSignal | undefined }): Promise<boolean | 'disk-full'>;
  stats(): Promise<MachineStats>;
  /** Ends the VMM process: politely for `graceMs`, then by force. Returns when it has ended and its sockets are gone. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
  /** Forgets the process without ending it: timers and handles are released so that this process can exit. */
  release(): void;
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ProgressSink | undefined;
  /** Does not believe an earlier verdict. */
  readonly fresh?: boolean;
  /** The guests in question; default: those of the host's own processor. Another is asked about only where `foreignArchitectures` is true. */
  readonly architecture?: ArchitectureName | undefined;
}

export interface LaunchOptions {
  readonly signal?: AbortSignal | undefined;
  /** The machine will be snapshotted into this directory: its memory is backed by a file there. */
  readonly snapshotTo?: string;
}

export interface VmmDriver {
  readonly name: HypervisorName;
  /** Each optional method is there exactly when its feature says so. */
  readonly features: DriverFeatures;
  /** Most vCPUs of a machine, where the VMM itself sets a limit. */
  readonly maxVcpus?: number;
  /**
   * Whether it works on this host, proved by doing it. Cached by the driver for as long as host boot and binary stay the same. The first time a kernel
   * may have to be made for it: `progress` is told.
   */
  probe(options?: ProbeOptions): Promise<DriverProbe>;
  /** What besides the spec decides whether a snapshot can be restored: VMM version, accelerator, CPU model. Part of the snapshot's key. */
  snapshotKey(architecture: ArchitectureName): Promise<string>;
  /** Boots. Resolves as soon as the VMM runs (the guest boots on). After an abort or an error nothing is left but `directory`. */
  launch(spec: MachineSpec, options: LaunchOptions): Promise<Machine>;
  /** Continues a snapshot as a clone. The spec's shape must be the snapshot's. After an abort or an error nothing is left. */
  restore?(
    spec: MachineSpec,
    snapshot: SnapshotFiles,
    options: { readonly signal?: AbortSignal | undefined },
  ): Promise<Machine>;
  /** Ends probes that are under way, and returns when nothing of them is left. */
  endProbes?(): Promise<void>;
  /** Finds a machine again; null when it has ended. */
  attach(record: MachineRecord): Promise<Machine | null>;
}
