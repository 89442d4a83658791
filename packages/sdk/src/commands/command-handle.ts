import type { AttachedProcess } from '@novasandbox/engine/services';
import { commandResult, type CommandResult } from './command-result.ts';
import { CommandError } from './command-error.ts';
import { ProcessOutput, type ProcessOutputOptions } from './process-output.ts';
import { signalNumber, type Signal } from '@novasandbox/protocol';
import { toBytes } from './stdin.ts';

/** A piece of output, as iterating a handle yields it. */
export interface CommandOutput {
  readonly channel: 'stdout' | 'stderr';
  /** Complete characters only; a character that is cut at the end of `bytes` comes with the next piece. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Called with output as it arrives; the command waits until a returned promise has settled. */
export type OutputCallback = (text: string, bytes: Uint8Array) => unknown;

export interface CommandHandleOptions {
  /** The command as messages name it. */
  readonly command: string;
  readonly keepBytes: number;
  readonly onStdout?: OutputCallback | undefined;
  readonly onStderr?: OutputCallback | undefined;
}

/**
 * A command that runs in the background. Its output is read as it arrives and the newest bytes are kept, so the command
 * never stalls because nobody reads. Iterate the handle to get the output so far and all that follows, at your own
 * pace:
 *
 *     for await (const { channel, text } of handle) process.stdout.write(text);
 *
 * Disposing disconnects: the command continues until it ends, is killed, or its sandbox is removed.
 */
export class CommandHandle implements AsyncIterable<CommandOutput>, AsyncDisposable {
  /** Number that the sandbox's agent gave this process; never reused. */
  readonly id: number;
  /** Process id in the guest. */
  readonly pid: number;
  readonly #process: AttachedProcess;
  readonly #output: ProcessOutput;
  readonly #options: CommandHandleOptions;
  readonly #started = performance.now();
  #durationMs = 0;

  /** @internal Handles come from `commands.run({ background: true })` and `commands.connect`. */
  constructor(process: AttachedProcess, options: CommandHandleOptions) {
    this.id = process.execId;
    this.pid = process.pid;
    this.#process = process;
    this.#options = options;
    this.#output = new ProcessOutput(process, { keepBytes: options.keepBytes, ...toCallbacks(options) });
    this.#output.ended.then(
      () => (this.#durationMs = performance.now() - this.#started),
      () => undefined,
    );
  }

  /**
   * Resolves with the result once the command has ended, whatever its exit code. Rejects when the guest was lost or a
   * callback threw.
   */
  async result(): Promise<CommandResult> {
    const exit = await this.#output.ended;
    return commandResult(exit, this.#output.collected('stdout'), this.#output.collected('stderr'), this.#durationMs);
  }

  /** Resolves with the result once the command has ended; throws a CommandError unless it exited with 0. */
  async wait(): Promise<CommandResult> {
    const result = await this.result();
    if (result.exitCode !== 0 || result.timedOut) throw new CommandError(this.#options.command, result);
    return result;
  }

  /** Sends a signal (default SIGKILL) to the command's whole process group. */
  kill(signal: Signal = 'SIGKILL'): Promise<void> {
    return this.#process.signal(signalNumber(signal));
  }

  /**
   * Writes to stdin; the command must have been started with `stdin: true`. Resolves when the guest has taken the data.
   */
  sendStdin(data: string | Uint8Array): Promise<void> {
    return this.#process.writeStdin(toBytes(data));
  }

  closeStdin(): Promise<void> {
    return this.#process.closeStdin();
  }

  /** Stops listening; the command continues. `wait` rejects from then on. */
  disconnect(): Promise<void> {
    return this.#output.disconnect();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<CommandOutput, void, undefined> {
    const decode = { stdout: textStream(), stderr: textStream() };
    for await (const { channel, bytes } of this.#output.iterate()) {
      const side = channel === 'stderr' ? 'stderr' : 'stdout';
      yield { channel: side, text: decode[side](bytes), bytes };
    }
    for (const channel of ['stdout', 'stderr'] as const) {
      const text = decode[channel]();
      if (text !== '') yield { channel, text, bytes: new Uint8Array(0) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }
}

/** Adapts a caller's callbacks to ProcessOutput: decodes the bytes, including a character cut at the end. */
function toCallbacks({ onStdout, onStderr }: CommandHandleOptions): Partial<ProcessOutputOptions> {
  if (onStdout === undefined && onStderr === undefined) return {};
  const decode = { stdout: textStream(), stderr: textStream() };
  const callbacks = { stdout: onStdout, stderr: onStderr };
  return {
    onChunk: ({ channel, bytes }) => {
      const side = channel === 'stderr' ? 'stderr' : 'stdout';
      return callbacks[side]?.(decode[side](bytes), bytes);
    },
    onEnd: async () => {
      for (const side of ['stdout', 'stderr'] as const) {
        const rest = decode[side]();
        if (rest !== '') await callbacks[side]?.(rest, new Uint8Array(0));
      }
    },
  };
}

/** Decodes UTF-8 that may be cut anywhere. A call without bytes returns what is left of a cut character at the end. */
function textStream(): (bytes?: Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (bytes) => (bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true }));
}
