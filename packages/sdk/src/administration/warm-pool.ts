import type { PoolStatus } from '@novasandbox/protocol';
import { administrationOf } from '#administration';
import { withEngine, type ConnectionOptions } from '../connection.ts';

/** The clones that wait, paused, to become sandboxes at once. */
export class WarmPool {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** Tells which clones wait, what the pool wants to have, and how creates were served since the engine was opened. */
  status(): Promise<PoolStatus> {
    return withEngine(this.#options, (engine) => administrationOf(engine).pool.status());
  }

  /** Ends the clones that wait; returns how many. The next sandbox that is made starts the pool again. */
  drain(): Promise<number> {
    return withEngine(this.#options, (engine) => administrationOf(engine).pool.drain());
  }
}
