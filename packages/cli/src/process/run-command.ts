import { isUtf8 } from 'node:buffer';
import type { AttachedProcess, Engine, ExecRequest } from '@novasandbox/engine';
import type { CommandOptions } from '../args/command-options.ts';
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
  const attached = await start(engine, sandboxId, await toRequest(command), interrupts.signal);
  try {
    return await statusOf(await streamProcess(attached, { interactive, tty, interrupts }));
  } catch (error) {
    if (!(error instanceof GivenUp) && !interrupts.signal.aborted) throw error;
    await endProcess(attached, interrupts.lastSignal);
    return interrupts.exitCode;
  }
}

/** Runs a command and prints one JSON document with its result, and with what `about` tells once it has ended. */
export async function runCommandForJson(
  engine: Engine,
  sandboxId: string,
  { argv, env, user, options }: CommandToRun,
  interrupts: Interrupts,
  about: () => Promise<object>,
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
  printJson({ sandboxId: sandbox.id, ...(await about()), ...result, ...raw, usage });
  return await statusOf(result);
}

/** Returns the exit status for the end of the command. Its module is loaded here because help does not need it. */
async function statusOf(end: { readonly exitCode: number; readonly timedOut: boolean }): Promise<number> {
  const { exitStatusOf } = await import('@novasandbox/protocol');
  return exitStatusOf(end);
}

/** Returns the bytes in base64 unless they are valid UTF-8, which the text shows exactly. */
function rawOf(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  return isUtf8(bytes) ? {} : { [name]: Buffer.from(bytes).toString('base64') };
}

/** The signal applies until the command runs: from then on an interrupt has to end it, not just detach from it. */
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

/** Builds the engine's request for a command, with the size of our terminal. */
export async function toRequest(command: CommandToRun): Promise<ExecRequest> {
  const { interactive = false, tty = false } = command.options;
  const env = tty ? { TERM: process.env['TERM'] ?? 'xterm-256color', ...command.env } : command.env;
  return {
    ...(await detachedRequest({ ...command, env })),
    stdin: interactive,
    pty: tty ? terminalSize() : undefined,
  };
}

/** Builds the request for a command that nobody is attached to. */
export async function detachedRequest({ argv, env, user, options }: CommandToRun): Promise<ExecRequest> {
  const { parse, runOptionsSchema } = await import('@novasandbox/protocol');
  const { workdir: cwd, timeout: timeoutMs } = options;
  const { retainBytes: _, ...parsed } = parse(runOptionsSchema, { cwd, env, user, timeoutMs }, 'command');
  return { ...parsed, argv };
}
