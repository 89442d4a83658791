import type { Engine } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import type { EngineLease } from './connection.ts';

/** The one sandbox a handle and its parts (commands, files, pty) speak to, until the handle is closed. */
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
    if (this.#closed) {
      throw new NovaError('invalid_state', `This handle of sandbox ${this.id} is closed.`, {
        hint: 'Get a new one with Sandbox.connect(id).',
      });
    }
    return this.#lease.engine;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#lease.release();
  }
}
