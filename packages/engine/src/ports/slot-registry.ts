import type { ProcessIdentity } from '../vmm/process-identity.ts';
import type { PortForward } from './network.ts';

/**
 * The seam to what is remembered of this host's network slots. There is one registry a host, whatever the number of state folders and processes;
 * it is gone after a reboot, as the slots are. Each call is one transaction.
 */

/** `making` and `going`: under way; `ready`: kept for whoever comes; `held`: a sandbox's. */
export type SlotState = 'making' | 'ready' | 'held' | 'going';

export interface SlotOwner {
  /** The state folder. */
  readonly home: string;
  readonly sandbox: string;
}

export interface SlotRecord {
  /** From 1; names and addresses outside the namespace are made from it. */
  readonly number: number;
  readonly state: SlotState;
  /** While it lives nobody else touches the slot. */
  readonly holder: ProcessIdentity;
  readonly owner: SlotOwner | null;
  readonly forwards: readonly PortForward[];
}

export interface SlotRegistry extends Disposable {
  /** A number for a slot about to be made by this process. Numbers come round as late as possible. Null when all are in use; throws `port_in_use`. */
  reserve(owner: SlotOwner | null, forwards: readonly PortForward[]): SlotRecord | null;
  /** A ready slot, now held by this process for `owner`; null when there is none. Throws `port_in_use`. */
  takeReady(owner: SlotOwner, forwards: readonly PortForward[]): SlotRecord | null;
  /** What was being made is there. */
  made(number: number): void;
  handTo(owner: SlotOwner, holder: ProcessIdentity): void;
  find(owner: SlotOwner): SlotRecord | null;
  list(): SlotRecord[];
  /** This process is about to take the slot down: false when it has changed since `seen`. */
  startRemoval(seen: SlotRecord): boolean;
  /** Forgets the slot. After the last one `whenLast` runs, before anyone can reserve again; it must not wait. */
  remove(number: number, whenLast: () => void): void;
  /** A slot nobody remembered, in which `holder` was found. */
  adopt(number: number, holder: ProcessIdentity): void;
  /** While `work` runs nobody reserves or removes; it must not wait. */
  locked<T>(work: () => T): T;
  /** Interfaces whose forwarding NovaSandbox has turned on. Read and set under the lock. */
  forwardingInterfaces(): string[];
  setForwardingInterfaces(names: readonly string[]): void;
}
