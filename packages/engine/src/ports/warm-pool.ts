import type { PoolDiscard, PoolMiss, SandboxConfig } from '@novasandbox/protocol';
import type { OpenedSession } from './guest-links.ts';
import type { Machine } from './vmm-driver.ts';

/** A guest that waits in the pool, with the session that this process has with it. */
export interface ParkedGuest extends OpenedSession {
  readonly machine: Machine;
}

/** The clone that a create asked the pool for. */
export interface AskedShape {
  /** Digest of the golden snapshot of which the sandbox is a clone. */
  readonly shape: string;
  /** A name of the shape without the versions of images and hypervisor: shapes that succeed each other share it. */
  readonly kind: string;
  readonly config: SandboxConfig;
  readonly memoryMb: number;
  readonly vcpus: number;
}

/**
 * The interface between creates, which take clones from the warm pool, and the pool, which keeps them ready. Which
 * clones there are is in the store, where each can be taken once.
 */
export interface WarmPool {
  /** Whether this process keeps clones ready. Where it does not, others may have left some. */
  readonly keeps: boolean;
  /** A sandbox is being made until the result is disposed; no clones are made meanwhile. */
  creating(): Disposable;
  /** Gives up the guest's machine and session to whoever has taken it; null where this process has not made it. */
  unpark(id: string): ParkedGuest | null;
  /** Tells how a create was served. */
  hit(asked: AskedShape): void;
  /** @param asked null where the pool can hold no clone for such a sandbox */
  missed(asked: AskedShape | null, reason: PoolMiss): void;
  /** Tells that a clone was taken and could not be handed out. */
  discarded(asked: AskedShape, reason: PoolDiscard, error: unknown): void;
}
