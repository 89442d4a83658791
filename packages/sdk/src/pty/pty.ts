import { loginShell, NovaError, parse, runOptionsSchema, signalNumber, type Signal } from '@novasandbox/protocol';
import { findProcess } from '../commands/process-list.ts';
import { whileStarting } from '../commands/while-starting.ts';
import { toBytes } from '../commands/stdin.ts';
import type { SandboxScope } from '../sandbox-scope.ts';
import { PtyHandle, type PtyCallback } from './pty-handle.ts';
import { checkSize, type PtySize } from './pty-size.ts';

export interface PtyCreateOptions extends Partial<PtySize> {
  /** Command to run in the terminal; default: a login shell. */
  readonly command?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** Environment variables. TERM defaults to `xterm-256color`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  /** Time limit of the whole session, 0 for none. */
  readonly timeoutMs?: number | undefined;
  readonly onData?: PtyCallback | undefined;
  /** Applies until the terminal has started. */
  readonly signal?: AbortSignal | undefined;
}

/** Terminals of one sandbox. */
export class Pty {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /** Starts a shell, or `command`, in a terminal of its own. */
  async create(options: PtyCreateOptions = {}): Promise<PtyHandle> {
    const { cols = 80, rows = 24, command = loginShell, cwd, env, user, timeoutMs, onData, signal } = options;
    const run = { cwd, env: { TERM: 'xterm-256color', ...env }, user, timeoutMs };
    const { retainBytes: _, ...parsed } = parse(runOptionsSchema, run, 'pty.create');
    const request = {
      ...parsed,
      argv: command,
      pty: checkSize({ cols, rows }),
      stdin: true,
    };
    const process = await whileStarting(signal, (starting) =>
      this.#scope.engine.exec.start(this.#scope.id, request, { signal: starting }),
    );
    return new PtyHandle(process, onData);
  }

  /** Attaches to a terminal by its pid. First comes the output that the guest has kept, then new output. */
  async connect(pid: number, options: { readonly onData?: PtyCallback | undefined } = {}): Promise<PtyHandle> {
    return new PtyHandle(await this.#attach(pid, 0), options.onData);
  }

  /** Types into a terminal. For frequent input, keep the handle of `create` or `connect` and call its `sendInput`. */
  async sendInput(pid: number, data: string | Uint8Array): Promise<void> {
    const process = await this.#attach(pid, null);
    try {
      await process.writeStdin(toBytes(data));
    } finally {
      await process.detach();
    }
  }

  async resize(pid: number, size: PtySize): Promise<void> {
    const process = await this.#attach(pid, null);
    try {
      await process.resize(checkSize(size));
    } finally {
      await process.detach();
    }
  }

  /** Sends a signal to the terminal's processes. False when they had already ended. */
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

  async #attach(pid: number, offset: number | null) {
    const found = await findProcess(this.#scope, pid);
    if (!found.pty) throw new NovaError('invalid_argument', `Process ${pid} has no terminal.`);
    const from = { stdout: offset, stderr: offset, stdin: true };
    const process = await this.#scope.engine.exec.attach(this.#scope.id, found.id, from);
    process.exit.catch(() => undefined);
    return process;
  }
}
