import type { Isolation, NetworkPolicy, PinnedNames, ServedSecret } from '@novasandbox/protocol';
import type { Answer, Authority, Egress } from './egress.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { GuestIdentity } from './guest-agent.ts';
import type { TapNetwork } from './vmm-driver.ts';

/**
 * The interface to networks of sandboxes that are more than a VMM's own user-mode stack. A slot is a network namespace
 * with a tap for the VMM and a way out of the host. Inside it, all names, addresses and MACs are the same in every
 * slot, so that a clone finds the network its snapshot had. A slot serves one sandbox once and is then taken down.
 */

/** TCP: connections to that port of the host's 127.0.0.1 go to that port of the guest. */
export interface PortForward {
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A private network that a sandbox has joined, and its place in it. */
export interface Membership {
  /** The id of the network. */
  readonly network: string;
  /** The last part of the names of its members. */
  readonly name: string;
  readonly subnet: string;
  readonly prefixLength: number;
  readonly address: string;
  readonly isolation: Isolation;
  readonly bridge: string;
}

/** What a guest may reach, by which names, and the names that it knows from before. */
export interface Governance {
  /** Null: everything but private networks, by itself. The egress process then answers its queries for names alone. */
  readonly policy: NetworkPolicy | null;
  /** These as in ports/egress.ts. */
  readonly authority?: Authority | undefined;
  readonly secrets?: readonly ServedSecret[] | undefined;
  readonly names: PinnedNames;
  /** For a session, to questions of the sandbox. */
  readonly answers: readonly Answer[];
  readonly memberships: readonly Membership[];
  /** What the other members call it: these, and a name of one of its networks after a dot. */
  readonly hostnames: readonly string[];
}

export interface NetworkSlot {
  readonly number: number;
  /** The network that the machine is launched with. */
  readonly machine: TapNetwork;
  /** The guest's network configuration; the same for every slot. */
  readonly guest: NonNullable<GuestIdentity['network']>;
}

export interface NetworkProbe {
  /** Whether every sandbox can have a slot on this host, proved by making one. */
  readonly slots: boolean;
  /**
   * Whether a sandbox with a policy can. Without root a slot has no link to the host, and the egress process is its
   * only way out, so a sandbox without a policy is better served by its VMM's own user-mode stack.
   */
  readonly slotsForPolicies: boolean;
  /** One line for people: which network is used and why, or what is missing. */
  readonly reason: string;
}

/** Calls that the egress process answers for sandboxes that it serves (ports/egress.ts). */
/** The parts of the egress process that a network passes on. */
export type OfEgress = Pick<
  Egress,
  'names' | 'secretUses' | 'decisions' | 'contacts' | 'questions' | 'answer' | 'tidings'
>;

export interface Network extends AsyncDisposable, OfEgress {
  /** Cached for as long as the host runs; `fresh` probes again. */
  probe(options?: { readonly fresh?: boolean; readonly signal?: AbortSignal | undefined }): Promise<NetworkProbe>;
  /**
   * A slot for that sandbox: a ready one, or one made now. After an error or an abort nothing is left. Throws
   * `port_in_use`, `network_failed`, and `host_resource_exhausted` when there are no more slots. `within`: the slot is
   * made in the namespace of a running VMM, which must be the VMM's own. `governance`: the guest reaches only what the
   * egress process lets it, and the private networks that it has joined; default: it reaches everything but private
   * networks by itself.
   */
  take(
    sandbox: string,
    options: {
      readonly forwards: readonly PortForward[];
      readonly within?: ProcessIdentity | undefined;
      readonly governance?: Governance | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<NetworkSlot>;
  /** The slot that a sandbox holds, or null. */
  held(sandbox: string): NetworkSlot | null;
  /**
   * Changes what a sandbox reaches through its slot, and ends the connections that it may not have any more; null: it
   * reaches everything but private networks by itself. A sandbox without a slot is left alone. After an error it
   * reaches nothing new.
   */
  govern(sandbox: string, governance: Governance | null, signal?: AbortSignal): Promise<void>;
  /**
   * Serves the sandboxes that are to be served and are not; null: as for `govern`. `othersAre` says what becomes of
   * others that are served: they are forgotten, left as they are, or reach everything but private networks from now on.
   */
  governAgain(
    wanted: ReadonlyMap<string, Governance | null>,
    othersAre: (sandbox: string) => 'forget' | 'leave' | 'let out',
  ): Promise<void>;
  /** Changes what the members of a private network may send each other, at once. */
  isolate(network: string, isolation: Isolation, signal?: AbortSignal): Promise<void>;
  /** Passes the slot to that process. From now on the slot lasts as long as that process, whatever happens to ours. */
  handTo(sandbox: string, process: ProcessIdentity): void;
  /**
   * Takes the slot down, with its connections. A sandbox that has none is fine. Its VMM must have ended, or have let go
   * of the tap.
   */
  giveBack(sandbox: string): Promise<void>;
  /**
   * Takes down slots, of any state folder, whose holders have ended without giving them back. Quick when there are
   * none.
   */
  reclaim(): Promise<void>;
  /** Restores the host's rules where somebody has flushed them. */
  mend(): Promise<void>;
}
