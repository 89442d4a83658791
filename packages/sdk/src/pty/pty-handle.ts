import type { AttachedProcess } from '@novasandbox/engine/services';
import type { Exit } from '@novasandbox/protocol';
import { ProcessOutput } from '../commands/process-output.ts';
import { signalNumber, type Signal } from '../commands/signals.ts';
import { toBytes } from '../commands/stdin.ts';
import { checkSize, type PtySize } from './pty-size.ts';

/** Called for what the terminal shows; the guest waits while a returned promise is open. */
export type PtyCallback = (bytes: Uint8Array) => unknown;

const keptBytes = 262_144;

/** A terminal in the guest. Iterate it, or give `onData`, for what it shows. Disposing disconnects: what runs in it goes on. */
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

  /** How it ended. A shell's exit code is not a failure: nothing is thrown for it. */
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

  /** Stops listening; what runs in the terminal goes on. `wait` rejects from then on. */
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
