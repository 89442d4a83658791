import type { ProcessIdentity } from './process-identity.ts';
import type { PortForward } from './network.ts';

/**
 * The interface to the registry of this host's network slots. There is one registry per host, whatever the number of
 * state folders and processes. It is gone after a reboot, as the slots are. Each call is one transaction.
 */

/** `making` and `going`: in progress; `ready`: kept for the next sandbox; `held`: in use by a sandbox. */
export type SlotState = 'making' | 'ready' | 'held' | 'going';

export interface SlotOwner {
  /** The state folder. */
  readonly home: string;
  readonly sandbox: string;
}

export interface SlotRecord {
  /** Counted from 1. Names and addresses outside the namespace are derived from it. */
  readonly number: number;
  readonly state: SlotState;
  /** While this process lives, no other touches the slot. */
  readonly holder: ProcessIdentity;
  readonly owner: SlotOwner | null;
  readonly forwards: readonly PortForward[];
}

export interface SlotRegistry extends Disposable {
  /**
   * Reserves a number for a slot that this process is about to make. Numbers are reused as late as possible. Null when
   * all are in use; throws `port_in_use`.
   */
  reserve(owner: SlotOwner | null, forwards: readonly PortForward[]): SlotRecord | null;
  /** Gives a ready slot, which this process then holds for `owner`; null when there is none. Throws `port_in_use`. */
  takeReady(owner: SlotOwner, forwards: readonly PortForward[]): SlotRecord | null;
  /** Records that the slot has been made. */
  made(number: number): void;
  handTo(owner: SlotOwner, holder: ProcessIdentity): void;
  find(owner: SlotOwner): SlotRecord | null;
  list(): SlotRecord[];
  /** Records that this process is about to take the slot down. False when the slot has changed since `seen`. */
  startRemoval(seen: SlotRecord): boolean;
  /** Forgets the slot. After the last one `whenLast` runs, before anyone can reserve again; it must not wait. */
  remove(number: number, whenLast: () => void): void;
  /** Adds a slot without a record, in which `holder` was found. */
  adopt(number: number, holder: ProcessIdentity): void;
  /** Runs `work` while nobody can reserve or remove slots; it must not wait. */
  locked<T>(work: () => T): T;
  /** Interfaces whose forwarding NovaSandbox has turned on. Read and set under the lock. */
  forwardingInterfaces(): string[];
  setForwardingInterfaces(names: readonly string[]): void;
}
