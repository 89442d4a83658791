import type { AttachedProcess } from '@novasandbox/engine/services';
import { commandResult, type CommandResult } from './command-result.ts';
import { CommandError } from './command-error.ts';
import { ProcessOutput, type ProcessOutputOptions } from './process-output.ts';
import { signalNumber, type Signal } from './signals.ts';
import { toBytes } from './stdin.ts';

/** A piece of output as an iteration of a handle gives it. */
export interface CommandOutput {
  readonly channel: 'stdout' | 'stderr';
  /** Characters that are whole by now; one cut by the end of `bytes` comes with the next piece. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Called for output as it comes; the command waits while a returned promise is open. */
export type OutputCallback = (text: string, bytes: Uint8Array) => unknown;

export interface CommandHandleOptions {
  /** The command as messages name it. */
  readonly command: string;
  readonly keepBytes: number;
  readonly onStdout?: OutputCallback | undefined;
  readonly onStderr?: OutputCallback | undefined;
}

/**
 * A command that runs in the background. Its output is read as it comes and the newest bytes are kept, so it never stalls because
 * nobody looks. Iterate the handle for the output so far and all that follows, at your own pace:
 *
 *     for await (const { channel, text } of handle) process.stdout.write(text);
 *
 * Disposing disconnects: the command goes on until it ends, is killed, or its sandbox goes.
 */
export class CommandHandle implements AsyncIterable<CommandOutput>, AsyncDisposable {
  /** Number of the process for this sandbox's agent, never used twice. */
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

  /** The result once the command has ended; whatever its exit code. Rejects when the guest was lost or a callback threw. */
  async result(): Promise<CommandResult> {
    const exit = await this.#output.ended;
    return commandResult(exit, this.#output.collected('stdout'), this.#output.collected('stderr'), this.#durationMs);
  }

  /** The result once the command has ended; throws a CommandError when it has not ended with 0. */
  async wait(): Promise<CommandResult> {
    const result = await this.result();
    if (result.exitCode !== 0 || result.timedOut) throw new CommandError(this.#options.command, result);
    return result;
  }

  /** Sends a signal to the command's whole process group; SIGKILL unless told. */
  kill(signal: Signal = 'SIGKILL'): Promise<void> {
    return this.#process.signal(signalNumber(signal));
  }

  /** Needs a command started with `stdin: true`. Resolves when the guest has taken the data over. */
  sendStdin(data: string | Uint8Array): Promise<void> {
    return this.#process.writeStdin(toBytes(data));
  }

  closeStdin(): Promise<void> {
    return this.#process.closeStdin();
  }

  /** Stops listening; the command goes on. `wait` rejects from then on. */
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

/** The callbacks of a caller as ProcessOutput calls them: bytes decoded, the last cut character too. */
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

/** Decodes UTF-8 that is cut anywhere; called without bytes it gives what a cut end leaves. */
function textStream(): (bytes?: Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return (bytes) => (bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true }));
}
