import type { GuestAgent } from './guest-agent.ts';
import type { SandboxRecord } from './store.ts';
import type { Machine } from './vmm-driver.ts';

/** This process's connection to one sandbox: its machine and a session with its agent. */
export interface Link {
  readonly machine: Machine;
  readonly agent: GuestAgent;
}

/** A session with the agent of a machine, over one of the machine's channels, which this process has leased. */
export interface OpenedSession {
  readonly agent: GuestAgent;
  readonly channel: number;
}

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** The byte stream may hold a frame that an earlier session cut short. */
  readonly flush: boolean;
}

/**
 * The interface to the sessions that this process has with guests. Several processes may talk to one sandbox; each
 * leases a channel of its own.
 */
export interface Links {
  /** Takes over the session that was opened to bring the sandbox up. */
  adopt(id: string, link: Link, channel: number): void;
  /** The link of a running sandbox, which is opened when there is none yet. Concurrent callers share it. */
  get(record: SandboxRecord, signal?: AbortSignal): Promise<Link>;
  /** Whether this process has a link with the sandbox. */
  has(id: string): boolean;
  /** Closes the session and gives the channel back; the machine runs on. */
  drop(id: string): Promise<void>;
  closeAll(): Promise<void>;
  /** Opens a session on a free channel of a machine. The caller closes it and gives the channel back. */
  open(machine: Machine, options: OpenOptions): Promise<OpenedSession>;
}
