import type { Engine } from '@novasandbox/engine';

/** The sandbox that an SSH connection leads to, and the user of the guest that it acts as. */
export interface Guest {
  readonly engine: Pick<Engine, 'exec' | 'files'>;
  readonly sandboxId: string;
  /** The sandbox's own user where it is undefined. */
  readonly user: string | undefined;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
}
