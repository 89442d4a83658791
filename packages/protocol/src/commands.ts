import * as z from 'zod';
import { environmentSchema } from './sandbox.ts';

export const ptySizeSchema = z.strictObject({
  cols: z.int().min(1).max(10_000).default(80),
  rows: z.int().min(1).max(10_000).default(24),
});

/** Builds the argument list of a command: a string is run by the guest's shell, a list without a shell. */
export const argvOf = (command: string | readonly string[]): readonly string[] =>
  typeof command === 'string' ? ['/bin/sh', '-c', command] : command;

/** Returns the text of a command as it was given to `argvOf`. */
export const commandText = (argv: readonly string[]): string =>
  argv.length === 3 && argv[0] === '/bin/sh' && argv[1] === '-c' ? (argv[2] ?? '') : argv.join(' ');

/** Bash if the guest has it, otherwise sh. It is a login shell so that profiles are read. */
export const loginShell = argvOf('if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi');

/** Options of running a command, apart from its argv. */
export const runOptionsSchema = z.strictObject({
  cwd: z.string().min(1).max(4096).optional(),
  env: environmentSchema.default({}),
  user: z.string().min(1).max(64).optional(),
  /** Time limit in ms, 0 for none. When it passes, the process group gets SIGTERM, and SIGKILL two seconds later. */
  timeoutMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(0),
  /** Number of bytes of output that the guest keeps for a later attach. */
  retainBytes: z.int().min(0).max(16_777_216).default(65_536),
  tag: z.string().max(256).optional(),
});

export const processInfoSchema = z.object({
  id: z.int(),
  pid: z.int(),
  argv: z.array(z.string()),
  cwd: z.string(),
  user: z.string(),
  tag: z.string(),
  startedAt: z.iso.datetime(),
  running: z.boolean(),
  pty: z.boolean(),
  exitCode: z.int().nullable(),
});
export type ProcessInfo = z.infer<typeof processInfoSchema>;
