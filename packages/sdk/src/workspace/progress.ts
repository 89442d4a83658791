import type { ProgressSink } from '@novasandbox/protocol';

/** Tells how far a step of a call is. */
export class Steps {
  readonly #sink: ProgressSink;
  readonly #step: string;
  readonly #label: string;
  readonly #started = performance.now();

  constructor(sink: ProgressSink | undefined, step: string, label: string) {
    this.#sink = sink ?? (() => undefined);
    this.#step = step;
    this.#label = label;
    this.#tell('start');
  }

  update(detail: string, fraction?: number): void {
    this.#tell('update', detail, fraction);
  }

  /** Runs the work of the step, and tells how it ended. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.#tell('done');
      return result;
    } catch (error) {
      this.#tell('failed');
      throw error;
    }
  }

  #tell(state: 'start' | 'update' | 'done' | 'failed', detail?: string, fraction?: number): void {
    this.#sink({
      step: this.#step,
      label: this.#label,
      state,
      elapsedMs: performance.now() - this.#started,
      ...(detail === undefined ? {} : { detail }),
      ...(fraction === undefined ? {} : { fraction: Math.min(1, fraction) }),
    });
  }
}
