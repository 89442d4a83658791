import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { once } from 'node:events';
import { NovaError } from '@novasandbox/protocol';
import { installRemedy } from './debian-packages.ts';

export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** File to which all output of the command is appended. */
  readonly log?: string;
  /** Called with every line of standard output and standard error. */
  readonly onLine?: (line: string) => void;
  /** Descriptors of this process that the command gets as 3, 4, ... */
  readonly descriptors?: readonly number[];
  /** Time limit, ms; default: longer than the longest build on the slowest host. */
  readonly limitMs?: number;
  /** Its standard input; none by default. An error of chunks that cannot be had ends the command. */
  readonly input?: string | AsyncIterable<Uint8Array>;
}

/** A command ended with an exit code other than 0. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number | null;
  /** The last lines of its output, for a message to people. */
  readonly tail: string;

  constructor(program: string, exitCode: number | null, tail: string) {
    super(`${program} ended with ${exitCode ?? 'a signal'}${tail === '' ? '' : `: ${tail}`}`);
    this.exitCode = exitCode;
    this.tail = tail;
  }
}

const tailLines = 12;
/** Without a limit, a command that hangs would hold the lock of the thing it makes for ever. */
const longestMs = 4 * 3_600_000;

/** Our environment without the variables that are meant only for us, such as the key of a daemon. */
const environmentOfOthers = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NOVA_')));

/**
 * Runs a program in a process group of its own and gives its standard output. On abort the whole group is killed, and
 * the call ends only when the program has ended, so that nothing still writes while the caller cleans up. Output is
 * UTF-8 text in the C locale.
 * @throws CommandFailure for an exit code other than 0, NovaError `set_up_failed` where the program is missing
 */
export async function runCommand(
  program: string,
  commandArguments: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { signal } = options;
  signal?.throwIfAborted();
  const child = spawn(program, commandArguments, {
    cwd: options.cwd,
    // mke2fs and others are in folders that are not on the PATH of users.
    env: {
      ...environmentOfOthers(),
      LC_ALL: 'C',
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      ...options.env,
    },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.descriptors ?? [])],
    detached: true,
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('a piped child has its streams');

  const killGroup = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  let inputFailure: { readonly error: unknown } | undefined;
  const feeding = feed(child.stdin, options.input).catch((error: unknown) => {
    inputFailure = { error };
    killGroup();
  });
  signal?.addEventListener('abort', killGroup, { once: true });
  const { limitMs = longestMs } = options;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    killGroup();
  }, limitMs);

  const log = options.log === undefined ? undefined : createWriteStream(options.log, { flags: 'a', mode: 0o600 });
  const output: string[] = [];
  const tail: string[] = [];
  const follow = async (stream: typeof stdout, kept?: string[]): Promise<void> => {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      kept?.push(line);
      log?.write(`${line}\n`);
      options.onLine?.(line);
      if (line.trim() !== '') tail.push(line.trim());
      if (tail.length > tailLines) tail.shift();
    }
  };
  try {
    const [code] = await Promise.all([
      once(child, 'close').then(([exitCode]: unknown[]) => (typeof exitCode === 'number' ? exitCode : null)),
      follow(stdout, output),
      follow(stderr),
      feeding,
    ]);
    signal?.throwIfAborted();
    if (inputFailure !== undefined) throw inputFailure.error;
    if (isLate) throw new CommandFailure(program, code, `it took longer than ${limitMs / 1000} s`);
    if (code !== 0) throw new CommandFailure(program, code, tail.join(' | '));
    return output.join('\n');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT' && 'syscall' in error) {
      throw new NovaError('set_up_failed', `The program "${program}" is not installed.`, {
        cause: error,
        hint: installRemedy(program) ?? `Install ${program}, or let the script ./nova do it.`,
      });
    }
    throw error;
  } finally {
    clearTimeout(timer);
    killGroup();
    signal?.removeEventListener('abort', killGroup);
    if (log !== undefined) {
      log.end();
      await finished(log);
    }
  }
}

/** Writes the input of a command, which may end without reading all of it: its exit code says whether it failed. */
async function feed(stdin: Writable | null, input: CommandOptions['input']): Promise<void> {
  if (stdin === null) return;
  stdin.on('error', () => undefined);
  if (input === undefined || typeof input === 'string') {
    stdin.end(input);
    return;
  }
  await pipeline(input, stdin).catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  });
}
