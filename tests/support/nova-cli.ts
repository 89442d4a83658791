import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createEngine } from '@novasandbox/engine';
import { assertNoLeaks } from './leaks.ts';
import { testHome, type TestHome } from './test-home.ts';

const mainFile = join(import.meta.dirname, '../../packages/cli/src/main.ts');

/** How `nova` is started: nearly as the script of that name does it. */
export const novaCommand: readonly string[] = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  // Node would treat --env-file as its own option.
  '--',
  mainFile,
];

export interface CliResult {
  /** 128 + signal number where a signal ended it, as in a shell. */
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** The CLI on a state folder of its own. Disposing removes the sandboxes and then searches for leftovers. */
export interface Cli extends AsyncDisposable {
  readonly home: TestHome;
  /** Runs it to its end. */
  readonly nova: (argv: readonly string[], options?: CliOptions) => Promise<CliResult>;
  /** The same, but throws when it does not end with 0. Resolves to stdout without the last line end. */
  readonly ok: (...argv: string[]) => Promise<string>;
  /** Starts it; all three streams are pipes. */
  start(argv: readonly string[], options?: CliOptions): ChildProcess;
}

export async function cliUnderTest(): Promise<Cli> {
  const home = await testHome();
  const start: Cli['start'] = (argv, { env = {}, cwd } = {}) => {
    const child = spawn(novaCommand[0] ?? '', [...novaCommand.slice(1), ...argv], {
      env: { ...home.env, ...env },
      cwd,
    });
    ends.set(child, endOf(child));
    return child;
  };
  const nova: Cli['nova'] = async (argv, options = {}) => {
    const child = start(argv, options);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
    return finished(child);
  };
  const ok = async (...argv: string[]): Promise<string> => {
    const result = await nova(argv);
    if (result.code !== 0) throw new Error(`nova ${argv.join(' ')} ended with ${result.code}: ${result.stderr}`);
    return result.stdout.replace(/\n$/, '');
  };
  return {
    home,
    nova,
    ok,
    start,
    [Symbol.asyncDispose]: async () => {
      try {
        await using engine = await createEngine({ home: home.home });
        for (const { id } of await engine.sandboxes.list({ all: true }))
          await engine.sandboxes.remove(id, { force: true });
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}

type End = [number | null, NodeJS.Signals | null];
/** The ends of children. A test may look for an end only after it has happened. */
const ends = new WeakMap<ChildProcess, Promise<End>>();
const endOf = (child: ChildProcess): Promise<End> =>
  child.exitCode === null && child.signalCode === null
    ? (once(child, 'close') as Promise<End>)
    : Promise.resolve([child.exitCode, child.signalCode]);

/** The whole output of a child, and how it ends. */
export async function finished(child: ChildProcess): Promise<CliResult> {
  const [stdout, stderr, [code, signal]] = await Promise.all([
    everything(child.stdout),
    everything(child.stderr),
    ends.get(child) ?? endOf(child),
  ]);
  const numbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 };
  return {
    code: code ?? 128 + (numbers[signal ?? ''] ?? 0),
    stdout: stdout.toString(),
    stdoutBytes: stdout,
    stderr: stderr.toString(),
  };
}

/** Reads until `text` has come; the rest stays in the stream. */
export async function until(stream: Readable | null, text: string): Promise<string> {
  let seen = '';
  while (!seen.includes(text)) {
    const chunk = (stream?.read() ?? null) as Buffer | null;
    if (chunk !== null) seen += chunk.toString();
    else if (stream === null || stream.readableEnded)
      throw new Error(`it ended before ${JSON.stringify(text)}: ${seen}`);
    else await Promise.race([once(stream, 'readable'), once(stream, 'end')]);
  }
  return seen;
}

async function everything(stream: Readable | null): Promise<Buffer> {
  const parts: Buffer[] = [];
  // A stream that the test has destroyed yields nothing more.
  if (stream !== null && !stream.destroyed) for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
