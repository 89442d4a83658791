import { spawn } from 'node:child_process';
import type { SandboxConfigInput } from '@novasandbox/protocol';
import { parseDuration } from './args/duration.ts';
import { UsageError } from './usage-error.ts';

const variable = 'NOVA_KEEP_WARM';
const longestMs = 3_600_000;

/** How long a command leaves a clone for the next one (NOVA_KEEP_WARM), ms; 0: it leaves none. */
export function keepWarmMs(text = process.env[variable]): number {
  if (text === undefined || text === '') return 0;
  let ms: number;
  try {
    ms = parseDuration(text);
  } catch (error) {
    throw new UsageError(`${variable}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (ms > longestMs) throw new UsageError(`${variable}: ${text} is more than an hour.`);
  return ms;
}

/** The command line that runs the hidden verb with this program. */
export const warmCommand = (...words: readonly string[]): string[] => [
  process.execPath,
  ...process.execArgv,
  process.argv[1] ?? '',
  '__warm',
  ...words,
];

/** Variables that the processes need. They get no others, because they live longer than the command. */
const passedOn = /^(PATH|HOME|LANG|TMPDIR|XDG_\w+|NODE_\w+|NOVA_(?!API_KEY$)\w+)$/;

/**
 * Starts a process that makes a clone for the next command, after this one has ended. It is not waited for, and says
 * nothing: where it fails, the next command is as slow as this one.
 *
 * @param home the state folder, as an absolute path
 */
export function leaveCloneBehind(config: SandboxConfigInput, keepMs: number, home: string): void {
  const [program = '', ...args] = warmCommand('leave', String(keepMs));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name)));
  const child = spawn(program, args, {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: { ...env, NOVA_HOME: home, NOVA_EMBEDDED: '1' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  // Other users can read the arguments of a process, and a config may hold secrets.
  child.stdin.end(JSON.stringify(config));
  child.unref();
}
