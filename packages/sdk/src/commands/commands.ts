import type { AttachedProcess, ExecRequest } from '@novasandbox/engine/services';
import { NovaError, parse, runOptionsSchema, type ProcessInfo } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { CommandHandle, type OutputCallback } from './command-handle.ts';
import { CommandError, describeCommand } from './command-error.ts';
import type { CommandResult } from './command-result.ts';
import { findProcess, listProcesses } from './process-list.ts';
import { whileStarting } from './while-starting.ts';
import { signalNumber, type Signal } from './signals.ts';
import { feedStdin, toBytes, type StdinSource } from './stdin.ts';
import { withResolvers } from '../with-resolvers.ts';

/** Most bytes of stdout, and of stderr, that a result keeps unless told otherwise. */
export const defaultMaxOutputBytes = 64 * 1024 * 1024;
/** The same for a background command, which may run for days. */
export const defaultMaxBackgroundBytes = 1024 * 1024;

export interface RunOptions {
  /** Working directory; default: the home of the user. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** User of the guest, by name or number; default: the sandbox's. */
  readonly user?: string | undefined;
  /** Time limit, 0 for none: then the process group gets SIGTERM, and SIGKILL two seconds later. */
  readonly timeoutMs?: number | undefined;
  /** What the command reads. `true` keeps its stdin open for `sendStdin` (background only); default: nothing to read. */
  readonly stdin?: StdinSource | boolean | undefined;
  readonly onStdout?: OutputCallback | undefined;
  readonly onStderr?: OutputCallback | undefined;
  /** Kept of stdout, and of stderr: the newest bytes. A result says when its beginning is missing. Callbacks see everything. */
  readonly maxOutputBytes?: number | undefined;
  /** Throw a CommandError when the command fails; default true. */
  readonly check?: boolean | undefined;
  /** A word of one's own, shown by `list`. */
  readonly tag?: string | undefined;
  /** Kills the command and rejects with `cancelled`. In the background it counts until the command runs. */
  readonly signal?: AbortSignal | undefined;
  readonly background?: boolean | undefined;
}

/** Commands of one sandbox. */
export class Commands {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /**
   * Runs a command: a string by `/bin/sh -c`, a list as it is. Resolves when it has ended with 0; else throws a CommandError that carries the
   * result. With `background` it resolves to a handle as soon as the command runs.
   */
  run(command: string | readonly string[], options: RunOptions & { readonly background: true }): Promise<CommandHandle>;
  run(
    command: string | readonly string[],
    options?: RunOptions & { readonly background?: false | undefined },
  ): Promise<CommandResult>;
  async run(command: string | readonly string[], options: RunOptions = {}): Promise<CommandHandle | CommandResult> {
    const argv = typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
    if (options.signal?.aborted === true) throw cancelled(describeCommand(argv), options.signal);
    const request = toRequest(argv, options);
    const process = await whileStarting(options.signal, (signal) =>
      this.#scope.engine.exec.start(this.#scope.id, request, { signal }),
    );
    const name = describeCommand(argv);
    const handle = this.#handle(process, name, options);
    const feeding =
      options.stdin === undefined || typeof options.stdin === 'boolean'
        ? new Promise<never>(() => undefined)
        : feedStdin(process, options.stdin).then(() => new Promise<never>(() => undefined));
    if (options.background === true) {
      feeding.catch(() => handle.kill());
      return handle;
    }
    return this.#finish(handle, feeding, name, options);
  }

  /** Processes started in this sandbox: the running ones, and those that ended lately. */
  list(options: { readonly signal?: AbortSignal } = {}): Promise<ProcessInfo[]> {
    return listProcesses(this.#scope, options.signal);
  }

  /** Attaches to a running command by its pid: first the output the guest has kept, then what is new. */
  async connect(
    pid: number,
    options: Pick<RunOptions, 'onStdout' | 'onStderr' | 'maxOutputBytes'> = {},
  ): Promise<CommandHandle> {
    const { id, argv } = await findProcess(this.#scope, pid);
    const from = { stdout: 0, stderr: 0, stdin: true };
    const process = await this.#scope.engine.exec.attach(this.#scope.id, id, from);
    return this.#handle(process, describeCommand(argv), { ...options, background: true });
  }

  /** Sends a signal to a command's process group. False when it had ended already. */
  async kill(pid: number, signal: Signal = 'SIGKILL'): Promise<boolean> {
    const number = signalNumber(signal);
    try {
      const { id } = await findProcess(this.#scope, pid);
      await this.#scope.engine.exec.signal(this.#scope.id, id, number);
      return true;
    } catch (error) {
      if (error instanceof NovaError && error.code === 'process_not_found') return false;
      throw error;
    }
  }

  /** Writes to the stdin of a command that was started with `stdin: true`. */
  async sendStdin(pid: number, data: string | Uint8Array): Promise<void> {
    const { id } = await findProcess(this.#scope, pid);
    // Only new output is asked for, and it is let go at once: a second listener must not slow the first.
    const from = { stdout: null, stderr: null, stdin: true };
    const process = await this.#scope.engine.exec.attach(this.#scope.id, id, from);
    process.exit.catch(() => undefined);
    try {
      await process.writeStdin(toBytes(data));
    } finally {
      await process.detach();
    }
  }

  #handle(process: AttachedProcess, command: string, options: RunOptions): CommandHandle {
    const fallback = options.background === true ? defaultMaxBackgroundBytes : defaultMaxOutputBytes;
    return new CommandHandle(process, {
      command,
      keepBytes: options.maxOutputBytes ?? fallback,
      onStdout: options.onStdout,
      onStderr: options.onStderr,
    });
  }

  async #finish(
    handle: CommandHandle,
    feeding: Promise<never>,
    command: string,
    { signal, check = true }: RunOptions,
  ): Promise<CommandResult> {
    const aborted = withResolvers<never>();
    const abort = (): void => aborted.reject(cancelled(command, signal));
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    try {
      const result = await Promise.race([handle.result(), feeding, aborted.promise]);
      if (check && (result.exitCode !== 0 || result.timedOut)) throw new CommandError(command, result);
      return result;
    } catch (error) {
      if (!(error instanceof CommandError)) {
        // Cancelled, or a callback or the source of stdin threw: nobody waits for the command any more.
        await this.#scope.engine.exec.signal(this.#scope.id, handle.id, 9).catch(() => undefined);
        await handle.disconnect().catch(() => undefined);
      }
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

function toRequest(argv: readonly string[], options: RunOptions): ExecRequest {
  const { cwd, env, user, timeoutMs, tag } = options;
  const { retainBytes, ...parsed } = parse(runOptionsSchema, { cwd, env, user, timeoutMs, tag }, 'commands.run');
  if (argv.length === 0) throw new NovaError('invalid_argument', 'commands.run: the command is empty.');
  const stdin = options.stdin !== undefined && options.stdin !== false;
  return { ...parsed, argv, stdin, retainBytes };
}

function cancelled(command: string, signal: AbortSignal | undefined): NovaError {
  return new NovaError('cancelled', `${command} was cancelled.`, { cause: signal?.reason });
}
