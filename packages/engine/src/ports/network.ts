import type { ProcessIdentity } from '../vmm/process-identity.ts';
import type { GuestIdentity } from './guest-agent.ts';
import type { TapNetwork } from './vmm-driver.ts';

/**
 * The seam to networks of sandboxes that are more than a VMM's own user-mode stack. A slot is a network namespace with a tap for the
 * VMM and a way out of the host; inside it all names, addresses and MACs are the same in every slot, so that a clone finds the network its snapshot had.
 * A slot serves one sandbox once and is then taken down.
 */

/** TCP: connections to that port of the host's 127.0.0.1 come out at that port of the guest. */
export interface PortForward {
  readonly hostPort: number;
  readonly guestPort: number;
}

export interface NetworkSlot {
  /** What the machine is launched with. */
  readonly machine: TapNetwork;
  /** What the guest is told; the same for every slot. */
  readonly guest: NonNullable<GuestIdentity['network']>;
}

export interface NetworkProbe {
  /** Slots can be made on this host, proved by making one. */
  readonly slots: boolean;
  /** One line for people: what is used and why, or what is missing. */
  readonly reason: string;
}

export interface Network extends AsyncDisposable {
  /** Cached for as long as the host runs; `fresh` proves anew. */
  probe(options?: { readonly fresh?: boolean; readonly signal?: AbortSignal | undefined }): Promise<NetworkProbe>;
  /**
   * A slot for that sandbox: one that is ready, or one made now. After an error or an abort nothing is left. Throws `port_in_use`, `network_failed`,
   * `host_resource_exhausted` when there are no more. `within`: made in the namespace of a VMM that runs, which has to be its own.
   */
  take(
    sandbox: string,
    options: {
      readonly forwards: readonly PortForward[];
      readonly within?: ProcessIdentity | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<NetworkSlot>;
  /** The slot that a sandbox holds, or null. */
  held(sandbox: string): NetworkSlot | null;
  /** The slot is that process's now, whatever becomes of ours: it lasts for as long as the process does. */
  handTo(sandbox: string, process: ProcessIdentity): void;
  /** Takes the slot down, connections and all; a sandbox that has none is fine. Its VMM has ended, or let go of the tap. */
  giveBack(sandbox: string): Promise<void>;
  /** Takes down slots whose holders have ended without giving them back, of any state folder. Quick when there are none. */
  reclaim(): Promise<void>;
  /** Sets the host's rules up again where somebody has flushed them. */
  mend(): Promise<void>;
}
