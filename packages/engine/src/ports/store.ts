import type { HypervisorName, Ownership, SandboxConfig, SandboxState, Scope } from '@novasandbox/protocol';
import type { ProcessIdentity } from '../vmm/process-identity.ts';
import type { MachineRecord } from './vmm-driver.ts';

/** What is remembered of a sandbox. Process facts in it are checked against the host before they are believed. */
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
  /** Who is making it, while it is being made: when that process has gone, what is there is debris. */
  readonly maker: ProcessIdentity | null;
  /** Its maker is removing it: when that process has gone, whoever looks next ends what it began. */
  readonly goesWithMaker?: boolean;
  readonly reason: string | null;
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
>;
export type SandboxChange = Partial<
  Omit<SandboxRecord, 'sequence' | 'id' | 'config' | 'createdAtMs' | keyof Ownership>
>;

/**
 * The seam to what survives a process. Several processes of a host use one store at once; each call is one transaction, durable
 * against the end of the process.
 */
export interface Store extends Disposable {
  /** Throws `sandbox_exists` when its owner has one of that name. */
  addSandbox(sandbox: NewSandbox): SandboxRecord;
  /**
   * Finds one by its id, its name, or a prefix of an id that only one has, within `scope` alone. Throws `conflict` for
   * a name that several have.
   */
  findSandbox(ref: string, scope?: Scope): SandboxRecord | null;
  listSandboxes(states?: readonly SandboxState[]): SandboxRecord[];
  /**
   * Applies the change if the state is (still) one of `from` and, where `machine` is given, that is still its machine; returns the record as it
   * is then, or null when it is another or gone.
   */
  changeSandbox(
    id: string,
    from: readonly SandboxState[],
    change: SandboxChange,
    machine?: MachineRecord | null,
  ): SandboxRecord | null;
  removeSandbox(id: string): void;
  /** Takes one of `count` numbered leases of a thing for this process; null when living processes hold all. */
  takeLease(thing: string, count: number): number | null;
  releaseLease(thing: string, number: number): void;
}
