import type { AttachedProcess, OutputChannel, OutputChunk } from '@novasandbox/engine/services';
import { NovaError } from '@novasandbox/protocol';
import type { Exit } from '@novasandbox/protocol';
import { ChunkQueue } from './chunk-queue.ts';
import type { CollectedOutput } from './command-result.ts';
import { TailBuffer } from './tail-buffer.ts';
import { withResolvers } from '../with-resolvers.ts';

export interface ProcessOutputOptions {
  /** Limit of the bytes kept of each channel. */
  readonly keepBytes: number;
  /** Called with every chunk; the process waits until the returned promise has settled. */
  readonly onChunk?: ((chunk: OutputChunk) => unknown) | undefined;
  /** Called after the last chunk. */
  readonly onEnd?: (() => unknown) | undefined;
}

/**
 * Reads a process's output as soon as it arrives, so that a process nobody reads from never stalls on a full pipe. The
 * newest bytes are kept; readers get them first and then new output. While there is a reader, the process runs at the
 * reader's pace.
 */
export class ProcessOutput {
  /**
   * Settles when the process has ended and its output has been read. Rejects when the session is lost, or after
   * `disconnect`.
   */
  readonly ended: Promise<Exit>;
  readonly #process: AttachedProcess;
  readonly #options: ProcessOutputOptions;
  readonly #kept = new Map<OutputChannel, TailBuffer>();
  readonly #readers = new Set<ChunkQueue>();
  readonly #disconnected = withResolvers<never>();
  #over: { readonly error?: unknown } | undefined;

  constructor(process: AttachedProcess, options: ProcessOutputOptions) {
    this.#process = process;
    this.#options = options;
    process.exit.catch(() => undefined);
    this.#disconnected.promise.catch(() => undefined);
    this.ended = Promise.race([this.#read(), this.#disconnected.promise]);
    this.ended.then(
      () => this.#finish({}),
      (error: unknown) => this.#finish({ error }),
    );
  }

  /** Returns the kept bytes of a channel. */
  collected(channel: OutputChannel): CollectedOutput {
    const buffer = this.#kept.get(channel);
    return buffer === undefined
      ? { bytes: new Uint8Array(0), truncated: false }
      : { bytes: buffer.bytes(), truncated: buffer.truncated };
  }

  /** Yields the output kept so far, then everything new, at the reader's pace. */
  iterate(): ChunkQueue {
    const kept = [...this.#kept.entries()].map(([channel, buffer]) => ({ channel, bytes: buffer.bytes() }));
    const queue = new ChunkQueue(
      kept.filter(({ bytes }) => bytes.length > 0),
      () => this.#readers.delete(queue),
    );
    if (this.#over === undefined) this.#readers.add(queue);
    else queue.end(this.#over.error);
    return queue;
  }

  /** Stops reading; the process continues. */
  async disconnect(): Promise<void> {
    if (this.#over !== undefined) return;
    this.#disconnected.reject(
      new NovaError('invalid_state', 'The handle was disconnected from its process before the process ended.', {
        hint: 'Connect to it again with commands.connect(pid).',
      }),
    );
    await this.#process.detach();
  }

  async #read(): Promise<Exit> {
    for await (const chunk of this.#process.output) {
      let buffer = this.#kept.get(chunk.channel);
      if (buffer === undefined) this.#kept.set(chunk.channel, (buffer = new TailBuffer(this.#options.keepBytes)));
      buffer.add(chunk.bytes);
      // A reader that is added from here on finds the chunk in the buffer.
      const readers = [...this.#readers];
      await this.#options.onChunk?.(chunk);
      for (const reader of readers) await reader.push(chunk);
    }
    await this.#options.onEnd?.();
    return this.#process.exit;
  }

  #finish(over: { readonly error?: unknown }): void {
    this.#over = over;
    for (const reader of this.#readers) reader.end(over.error);
    this.#readers.clear();
  }
}
