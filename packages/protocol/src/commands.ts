import * as z from 'zod';
import { environmentSchema } from './sandbox.ts';

export const ptySizeSchema = z.strictObject({
  cols: z.int().min(1).max(10_000).default(80),
  rows: z.int().min(1).max(10_000).default(24),
});

/** How a command runs. The command itself is a string for `/bin/bash -l -c` (or `sh`), or an argv executed as it is. */
export const runOptionsSchema = z.strictObject({
  cwd: z.string().min(1).max(4096).optional(),
  env: environmentSchema.default({}),
  user: z.string().min(1).max(64).optional(),
  /** Time limit in ms, 0 for none; then the whole process group gets SIGTERM, and SIGKILL two seconds later. */
  timeoutMs: z
    .int()
    .min(0)
    .max(30 * 86_400_000)
    .default(0),
  /** Bytes of output the guest keeps for a later attach. */
  retainBytes: z.int().min(0).max(16_777_216).default(65_536),
  tag: z.string().max(256).optional(),
});
export type RunOptionsInput = z.input<typeof runOptionsSchema>;
export type RunOptions = z.output<typeof runOptionsSchema>;

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

export const exitSchema = z.object({
  exitCode: z.int(),
  signal: z.int().nullable(),
  timedOut: z.boolean(),
  oomKilled: z.boolean(),
  stdoutBytes: z.number(),
  stderrBytes: z.number(),
  userUs: z.number(),
  systemUs: z.number(),
  maxRssKb: z.number(),
  /** As measured in the guest, from before the spawn to the end. */
  wallUs: z.number(),
});
export type Exit = z.infer<typeof exitSchema>;
