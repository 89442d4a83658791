import { NovaError } from '@novasandbox/protocol';
import type { Engine } from '#backend';
import type { ConnectionOptions, EngineLease } from './connection.ts';

/** The one sandbox that a handle and its parts (commands, files, pty) use, until the handle is closed. */
export class SandboxScope {
  readonly id: string;
  readonly #lease: EngineLease;
  #closed = false;

  constructor(id: string, lease: EngineLease) {
    this.id = id;
    this.#lease = lease;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The engine; throws once the handle is closed. */
  get engine(): Engine {
    return this.#open.engine;
  }

  /** The options that lead to the engine, for handles of others; throws once the handle is closed. */
  get connection(): ConnectionOptions {
    return this.#open.connection;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#lease.release();
  }

  get #open(): EngineLease {
    if (!this.#closed) return this.#lease;
    throw new NovaError('invalid_state', `This handle of sandbox ${this.id} is closed.`, {
      hint: 'Get a new one with Sandbox.connect(id).',
    });
  }
}
