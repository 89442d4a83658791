import type { ProgressSink } from '@novasandbox/protocol';
import { bytesOf } from '../render/quantity.ts';

/** Counts the bytes that pass and reports the count. */
export class Counter {
  bytes = 0;
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #sink: ProgressSink;
  readonly #started = performance.now();

  constructor(label: string, sink: ProgressSink, total?: number) {
    this.#label = label;
    this.#sink = sink;
    this.#total = total;
  }

  async *count(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    this.#tell('start');
    let failed = true;
    try {
      for await (const part of source) {
        this.bytes += part.length;
        this.#tell('update');
        yield part;
      }
      failed = false;
    } finally {
      this.#tell(failed ? 'failed' : 'done');
    }
  }

  #tell(state: 'start' | 'update' | 'done' | 'failed'): void {
    const elapsedMs = performance.now() - this.#started;
    const rate = elapsedMs > 0 ? bytesOf((this.bytes / elapsedMs) * 1000) : '-';
    this.#sink({
      step: 'copy',
      label: this.#label,
      state,
      detail: `${bytesOf(this.bytes)}, ${rate}/s`,
      elapsedMs,
      ...(this.#total === undefined || this.#total === 0 ? {} : { fraction: Math.min(1, this.bytes / this.#total) }),
    });
  }
}
