import type { AttachedProcess } from '@novasandbox/engine/services';
import type { Exit } from '@novasandbox/protocol';
import { ProcessOutput } from '../commands/process-output.ts';
import { signalNumber, type Signal } from '@novasandbox/protocol';
import { toBytes } from '../commands/stdin.ts';
import { checkSize, type PtySize } from './pty-size.ts';

/** Called with the terminal's output; the guest waits until a returned promise has settled. */
export type PtyCallback = (bytes: Uint8Array) => unknown;

const keptBytes = 262_144;

/**
 * A terminal in the guest. Iterate it, or pass `onData`, to get its output. Disposing disconnects: the program in the
 * terminal continues.
 */
export class PtyHandle implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly id: number;
  readonly pid: number;
  readonly #process: AttachedProcess;
  readonly #output: ProcessOutput;

  /** @internal Handles come from `pty.create` and `pty.connect`. */
  constructor(process: AttachedProcess, onData: PtyCallback | undefined) {
    this.id = process.execId;
    this.pid = process.pid;
    this.#process = process;
    this.#output = new ProcessOutput(process, {
      keepBytes: onData === undefined ? keptBytes : 0,
      onChunk: onData === undefined ? undefined : ({ bytes }) => onData(bytes),
    });
  }

  /** Resolves when the terminal has ended. A non-zero exit code is not a failure here: nothing is thrown for it. */
  wait(): Promise<Exit> {
    return this.#output.ended;
  }

  sendInput(data: string | Uint8Array): Promise<void> {
    return this.#process.writeStdin(toBytes(data));
  }

  async resize(size: PtySize): Promise<void> {
    await this.#process.resize(checkSize(size));
  }

  kill(signal: Signal = 'SIGKILL'): Promise<void> {
    return this.#process.signal(signalNumber(signal));
  }

  /** Stops listening; the program in the terminal continues. `wait` rejects from then on. */
  disconnect(): Promise<void> {
    return this.#output.disconnect();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { bytes } of this.#output.iterate()) yield bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }
}
