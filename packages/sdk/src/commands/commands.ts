import type { AttachedProcess, ExecRequest } from '@novasandbox/engine/services';
import {
  argvOf,
  NovaError,
  parse,
  runOptionsSchema,
  signalNumber,
  type ProcessInfo,
  type Signal,
} from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { CommandHandle, type OutputCallback } from './command-handle.ts';
import { CommandError, describeCommand } from './command-error.ts';
import type { CommandResult } from './command-result.ts';
import { collectOutput, type OutputSoFar } from './output-so-far.ts';
import { findProcess, listProcesses } from './process-list.ts';
import { whileStarting } from './while-starting.ts';
import { feedStdin, toBytes, type StdinSource } from './stdin.ts';
import { withResolvers } from '../with-resolvers.ts';

/** Default limit of the bytes that a result keeps, for stdout and stderr each. */
const defaultMaxOutputBytes = 64 * 1024 * 1024;
/** The same limit for a background command, which may run for days. */
const defaultMaxBackgroundBytes = 1024 * 1024;

export interface RunOptions {
  /** Working directory; default: the user's home. */
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** User in the guest, by name or number; default: the sandbox's user. */
  readonly user?: string | undefined;
  /** Time limit, 0 for none. When it passes, the process group gets SIGTERM, and SIGKILL two seconds later. */
  readonly timeoutMs?: number | undefined;
  /** Input of the command. `true` keeps stdin open for `sendStdin` (background only). Default: empty input. */
  readonly stdin?: StdinSource | boolean | undefined;
  readonly onStdout?: OutputCallback | undefined;
  readonly onStderr?: OutputCallback | undefined;
  /**
   * Limit of the bytes kept of stdout and stderr each; the newest are kept. The result says when its beginning is
   * missing. Callbacks receive everything.
   */
  readonly maxOutputBytes?: number | undefined;
  /** Throw a CommandError when the command fails; default true. */
  readonly check?: boolean | undefined;
  /** A label of your own, shown by `list`. */
  readonly tag?: string | undefined;
  /**
   * Kills the command and rejects with `cancelled`. For a background command it applies until the command has started.
   */
  readonly signal?: AbortSignal | undefined;
  readonly background?: boolean | undefined;
}

export interface ConnectOptions extends Pick<RunOptions, 'onStdout' | 'onStderr' | 'maxOutputBytes'> {
  /** Offset in all bytes ever written to stdout; default: 0. Null: only new output. */
  readonly stdoutOffset?: number | null | undefined;
  readonly stderrOffset?: number | null | undefined;
}

export interface OutputOptions extends Pick<RunOptions, 'maxOutputBytes' | 'signal'> {
  /** Offset in all bytes ever written to stdout; default: 0. */
  readonly stdoutOffset?: number | undefined;
  readonly stderrOffset?: number | undefined;
}

/** Commands of one sandbox. */
export class Commands {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /**
   * Runs a command: a string with `/bin/sh -c`, a list without a shell. Resolves when it has exited with 0; otherwise
   * throws a CommandError that carries the result. With `background` it resolves to a handle as soon as the command
   * runs.
   */
  run(command: string | readonly string[], options: RunOptions & { readonly background: true }): Promise<CommandHandle>;
  run(
    command: string | readonly string[],
    options?: RunOptions & { readonly background?: false | undefined },
  ): Promise<CommandResult>;
  async run(command: string | readonly string[], options: RunOptions = {}): Promise<CommandHandle | CommandResult> {
    const argv = argvOf(command);
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

  /** Lists the processes started in this sandbox: the running ones, and those that ended recently. */
  list(options: { readonly signal?: AbortSignal } = {}): Promise<ProcessInfo[]> {
    return listProcesses(this.#scope, options.signal);
  }

  /**
   * Attaches to a running command by its pid. First comes the output that the guest has kept, from the given offsets
   * on, then new output. An offset of null means the current end: only new output comes.
   */
  async connect(pid: number, options: ConnectOptions = {}): Promise<CommandHandle> {
    const { stdoutOffset: stdout = 0, stderrOffset: stderr = 0 } = options;
    const { id, argv } = await findProcess(this.#scope, pid);
    const from = { stdout, stderr, stdin: true };
    const process = await this.#scope.engine.exec.attach(this.#scope.id, id, from);
    return this.#handle(process, describeCommand(argv), { ...options, background: true });
  }

  /**
   * Reads what a command has written so far. The command is given by its pid or by its id, which is never reused. A
   * command that ended recently works too, as far as the guest keeps its output. `connect` from the ends returned here
   * follows it.
   */
  async output(of: number | { readonly id: number }, options: OutputOptions = {}): Promise<OutputSoFar> {
    const { stdoutOffset: stdout = 0, stderrOffset: stderr = 0, maxOutputBytes = defaultMaxOutputBytes } = options;
    const { id } = typeof of === 'number' ? await findProcess(this.#scope, of) : of;
    const context = { signal: options.signal };
    await using reading = await this.#scope.engine.exec.output(this.#scope.id, id, { stdout, stderr }, context);
    return await collectOutput(reading, maxOutputBytes);
  }

  /** Sends a signal to a command's process group. False when the command had already ended. */
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
    // Ask only for new output and detach at once: a second listener must not slow down the first.
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
        // Cancelled, or a callback or the stdin source threw: nobody waits for the command any more.
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
