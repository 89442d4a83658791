import type {
  Contacts,
  Decision,
  DecisionCode,
  NetworkPolicy,
  PinnedNames,
  SecretUse,
  ServedSecret,
} from '@novasandbox/protocol';
import type { Membership, PortForward } from './network.ts';

/** A certificate authority, or the certificate of a server: with its private key, as PEM. */
export interface Authority {
  readonly certificate: string;
  readonly key: string;
}

export interface DecisionOptions {
  readonly follow?: boolean | undefined;
  readonly denied?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A connection that somebody has to allow or deny. */
export interface Question {
  /** The same for every connection of the sandbox to that name, or address without a name, and port. */
  readonly id: string;
  readonly sandbox: string;
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly askedAt: string;
}

/** The answer to the question of that id. */
export interface Answer {
  readonly id: string;
  readonly action: 'allow' | 'deny';
  /** For one connection or request alone. */
  readonly once: boolean;
  /** Null: it has no end. */
  readonly untilMs: number | null;
}

/** What happens in the process that others want to know. */
export type Tiding =
  | { readonly kind: 'asked'; readonly question: Question }
  | {
      /** Denials of about a second. */
      readonly kind: 'denied';
      readonly sandbox: string;
      /** All of them. */
      readonly counts: readonly { readonly code: DecisionCode; readonly count: number }[];
      /** Those that are told of singly; each may have happened several times. */
      readonly denials: readonly { readonly decision: Decision; readonly count: number }[];
      /** How many are not among these, because the sandbox has had its share of places. */
      readonly more: number;
    };

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
      /** Null: it reaches everything by itself, and only its name queries come here. */
      readonly policy: NetworkPolicy | null;
      /** The authority that its guest trusts. Default: none, so that no TLS of it can be read. */
      readonly authority?: Authority | undefined;
      /** Default: none. */
      readonly secrets?: readonly ServedSecret[] | undefined;
      /** Those that the guest knows from before: from its snapshot, or from a process that was killed. */
      readonly names: PinnedNames;
      /** To questions of the sandbox, as far as they hold still. */
      readonly answers: readonly Answer[];
      /** The private networks that it has joined, whose members are known by name. */
      readonly memberships: readonly Pick<Membership, 'network' | 'name' | 'address'>[];
      /** What other members call it, before a dot and the name of the network. */
      readonly hostnames: readonly string[];
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<void>;
  /** Ends a sandbox's connections and forgets it. A sandbox that is not served is fine. */
  forget(sandbox: string): Promise<void>;
  /** What its secrets were used for so far, by their names; empty where it is not served. */
  secretUses(sandbox: string): Promise<Readonly<Record<string, SecretUse>>>;
  /** The names that its guest has been given addresses for; empty where it is not served. */
  names(sandbox: string): Promise<PinnedNames>;
  /**
   * The latest decisions about a sandbox, oldest first; `follow` goes on with new ones until it is forgotten.
   * `denied`: denials alone. Ends at once where it is not served.
   */
  decisions(sandbox: string, options?: DecisionOptions): AsyncIterable<Decision>;
  /** The destinations that a sandbox was let through to since it is served; null where it is not. */
  contacts(sandbox: string): Promise<Contacts | null>;
  /** The questions that wait for an answer. */
  questions(): Promise<readonly Question[]>;
  /**
   * Puts answers in force for a sandbox: those for a session replace all that were there. False where it is not served,
   * so that they have to be given when it is.
   */
  answer(sandbox: string, answers: readonly Answer[]): Promise<boolean>;
  /** Tidings from now on, until the process ends or `signal` fires. Ends at once where it does not run. */
  tidings(signal: AbortSignal): AsyncIterable<Tiding>;
  /** The sandboxes that are served; none where the process does not run. */
  served(): Promise<readonly string[]>;
}
