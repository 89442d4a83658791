import type { Decision, NetworkPolicy, PinnedNames } from '@novasandbox/protocol';
import type { PortForward } from './network.ts';

export interface DecisionOptions {
  readonly follow?: boolean | undefined;
  readonly denied?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The slot that a sandbox is served in: one of root's by its number. One without root by a process in it, with the
 * ports of the host that lead into it, which the egress process serves because the slot has no link to the host.
 */
export type SlotPlace = number | { readonly process: number; readonly forwards: readonly PortForward[] };

/**
 * The interface to the process that decides what sandboxes reach. There is one such process for a state folder. The
 * first call of `serve` starts it, it outlives the process that started it, and it ends by itself some time after the
 * last sandbox is forgotten. When it is killed, no sandbox with a policy reaches anything until it is served again.
 * Calls about one sandbox have to follow one another.
 */
export interface Egress extends AsyncDisposable {
  /**
   * Puts a policy in force for a sandbox's slot, and resolves once the listeners are there. Serving a sandbox again
   * replaces its policy, keeps the names that it has, and ends the connections that are now denied. After an error, or
   * an abort, a sandbox that was not served before is not served.
   * @throws NovaError `not_implemented` for rules that cannot be enforced yet; `network_failed`; `port_in_use`
   */
  serve(
    sandbox: string,
    how: {
      readonly slot: SlotPlace;
      readonly policy: NetworkPolicy;
      /** Those that the guest knows from before: from its snapshot, or from a process that was killed. */
      readonly names: PinnedNames;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<void>;
  /** Ends a sandbox's connections and forgets it. A sandbox that is not served is fine. */
  forget(sandbox: string): Promise<void>;
  /** The names that its guest has been given addresses for; empty where it is not served. */
  names(sandbox: string): Promise<PinnedNames>;
  /**
   * The latest decisions about a sandbox, oldest first; `follow` goes on with new ones until it is forgotten.
   * `denied`: denials alone. Ends at once where it is not served.
   */
  decisions(sandbox: string, options?: DecisionOptions): AsyncIterable<Decision>;
  /** The sandboxes that are served; none where the process does not run. */
  served(): Promise<readonly string[]>;
}
