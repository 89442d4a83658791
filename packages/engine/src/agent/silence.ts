import type { NovaError } from '@novasandbox/protocol';
import { DEFAULT_TIMEOUT_MS } from './call.ts';
import { timedOut } from './errors.ts';

/** Measures how long the guest has been silent while it was its turn. */
export class Silence {
  readonly #fail: (error: NovaError) => void;
  #timer: NodeJS.Timeout | undefined;
  #enabled: boolean;

  constructor(enabled: boolean, fail: (error: NovaError) => void) {
    this.#enabled = enabled;
    this.#fail = fail;
  }

  begin(): void {
    if (!this.#enabled) return;
    this.pause();
    this.#timer = setTimeout(() => this.#fail(timedOut(DEFAULT_TIMEOUT_MS)), DEFAULT_TIMEOUT_MS);
  }

  heard(): void {
    if (this.#timer !== undefined) this.begin();
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  end(): void {
    this.#enabled = false;
    this.pause();
  }
}
