import { isUtf8 } from 'node:buffer';
import type { AttachedProcess, Engine, ExecRequest } from '@novasandbox/engine';
import type { CommandOptions } from '../args/command-options.ts';
import { timeoutExitCode } from '../exit-codes.ts';
import { printJson } from '../render/json.ts';
import { UsageError } from '../usage-error.ts';
import { endProcess } from './end-process.ts';
import type { Interrupts } from './interrupts.ts';
import { GivenUp, streamProcess } from './stream-process.ts';
import { terminalSize } from './terminal.ts';

export interface CommandToRun {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly options: CommandOptions;
}

/** Runs a command in a sandbox with our stdin, stdout and stderr; resolves to the exit code to pass on. */
export async function runCommand(
  engine: Engine,
  sandboxId: string,
  command: CommandToRun,
  interrupts: Interrupts,
): Promise<number> {
  const { interactive = false, tty = false } = command.options;
  const attached = await start(engine, sandboxId, toRequest(command), interrupts.signal);
  try {
    const exit = await streamProcess(attached, { interactive, tty, interrupts });
    return exit.timedOut ? timeoutExitCode : exit.exitCode;
  } catch (error) {
    if (!(error instanceof GivenUp) && !interrupts.signal.aborted) throw error;
    await endProcess(attached, interrupts.lastSignal);
    return interrupts.exitCode;
  }
}

/** Runs a command and prints one JSON document with its result and `about`. */
export async function runCommandForJson(
  engine: Engine,
  sandboxId: string,
  { argv, env, user, options }: CommandToRun,
  interrupts: Interrupts,
  about: object,
): Promise<number> {
  if (options.tty === true) throw new UsageError('--json and --tty do not go together.');
  const { Sandbox } = await import('novasandbox');
  await using sandbox = await Sandbox.connect(sandboxId, { engine });
  const { usage, stdoutBytes, stderrBytes, ...result } = await sandbox.commands.run(argv, {
    cwd: options.workdir,
    timeoutMs: options.timeout,
    stdin: options.interactive === true ? process.stdin : undefined,
    env,
    user,
    signal: interrupts.signal,
    check: false,
  });
  const raw = { ...rawOf('stdoutBase64', stdoutBytes), ...rawOf('stderrBase64', stderrBytes) };
  printJson({ sandboxId: sandbox.id, ...about, ...result, ...raw, usage });
  return result.timedOut ? timeoutExitCode : result.exitCode;
}

/** Bytes that the text does not show as they are. */
function rawOf(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  return isUtf8(bytes) ? {} : { [name]: Buffer.from(bytes).toString('base64') };
}

/** The signal counts until the command runs: from then on an interrupt has to end it, not just to let go of it. */
async function start(
  engine: Engine,
  sandboxId: string,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<AttachedProcess> {
  const starting = new AbortController();
  const abort = (): void => starting.abort();
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await engine.exec.start(sandboxId, request, { signal: starting.signal });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function toRequest({ argv, env, user, options }: CommandToRun): ExecRequest {
  const { interactive = false, tty = false, workdir, timeout } = options;
  return {
    argv,
    cwd: workdir,
    env: tty ? { TERM: process.env['TERM'] ?? 'xterm-256color', ...env } : env,
    user,
    timeoutMs: timeout,
    stdin: interactive,
    pty: tty ? terminalSize() : undefined,
  };
}
