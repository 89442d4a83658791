import * as z from 'zod';
import { runOptionsSchema } from '../commands.ts';
import { withoutNul } from '../sandbox.ts';
import { entryTypeSchema, type Entry } from '../files.ts';
import { queryBoolean } from './query.ts';

const options = runOptionsSchema.shape;

/** One argument of execve. */
const word = z.string().max(131_072).regex(withoutNul, 'must not contain NUL');

/** A command on the wire. A string goes to `/bin/sh -c`, an array is executed as it is. */
export const executeSchema = z.strictObject({
  command: z.union([word.min(1), z.array(word).min(1).max(4096)]),
  /** 0 for none. */
  timeout_seconds: z
    .number()
    .min(0)
    .max(30 * 86_400)
    .default(0),
  working_directory: options.cwd,
  environment: options.env,
  user: options.user,
  /** Given to the command's standard input, which is then closed. */
  stdin: z
    .string()
    .max(10 * 1024 * 1024)
    .optional(),
  tag: options.tag,
  /** Whether it goes on for good when its client goes without a word; else it is ended a little later. */
  keep_running: z.boolean().default(false),
});
export type Execute = z.output<typeof executeSchema>;

/** Output beyond this is cut from the answer, and said to be; streams have no such bound. */
export const maxCollectedOutputBytes = 16 * 1024 * 1024;

export const executedSchema = z.object({
  exit_code: z.int(),
  stdout: z.string(),
  stderr: z.string(),
  duration_ms: z.number(),
  timed_out: z.boolean(),
  oom_killed: z.boolean(),
  signal: z.int().nullable(),
  truncated: z.boolean(),
  process_id: z.int(),
});

/** One line of a streamed execution (NDJSON), or the data of one Server-Sent Event named by `type`. Output is base64: it need not be text. */
export const executeEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('started'),
    process_id: z.int(),
    pid: z.int(),
    stdout_offset: z.int(),
    stderr_offset: z.int(),
  }),
  z.object({ type: z.literal('stdout'), data: z.base64() }),
  z.object({ type: z.literal('stderr'), data: z.base64() }),
  z.object({ type: z.literal('pty'), data: z.base64() }),
  z.object({ type: z.literal('keepalive') }),
  z.object({
    type: z.literal('exit'),
    exit_code: z.int(),
    signal: z.int().nullable(),
    timed_out: z.boolean(),
    oom_killed: z.boolean(),
    duration_ms: z.number(),
  }),
  z.object({ type: z.literal('error'), error: z.object({ code: z.string(), message: z.string(), hint: z.string() }) }),
]);
export type ExecuteEvent = z.infer<typeof executeEventSchema>;

export const processSchema = z.object({
  id: z.int(),
  pid: z.int(),
  argv: z.array(z.string()),
  cwd: z.string(),
  user: z.string(),
  tag: z.string(),
  started_at: z.iso.datetime(),
  running: z.boolean(),
  pty: z.boolean(),
  exit_code: z.int().nullable(),
});

export const signalSchema = z.strictObject({
  signal: z.union([z.int().min(1).max(64), z.string().regex(/^(SIG)?[A-Z0-9]{2,10}$/)]).default(15),
});

export const entryWireSchema = z.object({
  name: z.string(),
  path: z.string(),
  type: entryTypeSchema,
  size: z.number(),
  mode: z.int(),
  uid: z.int(),
  gid: z.int(),
  owner: z.string(),
  group: z.string(),
  modified_at: z.iso.datetime(),
  symlink_target: z.string().nullable(),
});
export type EntryWire = z.infer<typeof entryWireSchema>;

export function entryWireOf({ modifiedAt, symlinkTarget, ...same }: Entry): EntryWire {
  return { ...same, modified_at: modifiedAt, symlink_target: symlinkTarget };
}

export function entryOfWire({ modified_at, symlink_target, ...same }: EntryWire): Entry {
  return { ...same, modifiedAt: modified_at, symlinkTarget: symlink_target };
}

const guestPath = z.string().min(1).max(4096).regex(withoutNul, 'must not contain NUL');
export const pathQuerySchema = z.object({ path: guestPath, user: options.user });
export const listFilesQuerySchema = pathQuerySchema.extend({
  recursive: queryBoolean.default(false),
  depth: z.coerce.number().int().min(1).max(64).optional(),
});
export const writeFileQuerySchema = pathQuerySchema.extend({
  /** Octal, such as 0755. */
  permissions: z
    .string()
    .regex(/^0?[0-7]{3,4}$/)
    .optional(),
  append: queryBoolean.default(false),
  exclusive: queryBoolean.default(false),
});
/** The fields of a multipart upload before its file. */
export const uploadFieldsSchema = writeFileQuerySchema.pick({ path: true, permissions: true, user: true });
export const moveFileSchema = z.strictObject({ source: guestPath, destination: guestPath, user: options.user });
export const makeDirectorySchema = z.strictObject({
  path: guestPath,
  permissions: z
    .string()
    .regex(/^0?[0-7]{3,4}$/)
    .optional(),
  user: options.user,
});
export const fileAttributesSchema = z.strictObject({
  path: guestPath,
  permissions: z
    .string()
    .regex(/^0?[0-7]{3,4}$/)
    .optional(),
  owner: z.string().min(1).max(64).optional(),
  user: options.user,
});
export const fileListSchema = z.object({ entries: z.array(entryWireSchema) });

export const pingedSchema = z.object({ ok: z.literal(true), round_trip_ms: z.number() });
export const guestInfoSchema = z.object({
  agent_version: z.string(),
  kernel: z.string(),
  hostname: z.string(),
  boot_id: z.string(),
  machine_id: z.string(),
  architecture: z.string(),
  uptime_ms: z.number(),
  clock: z.iso.datetime(),
  agent_pid: z.int(),
  root_read_only: z.boolean(),
});
export const processListSchema = z.object({ processes: z.array(processSchema) });

export const startedProcessSchema = z.object({ process_id: z.int(), pid: z.int() });

export const removedFileSchema = z.object({ existed: z.boolean() });

export const madeDirectorySchema = z.object({ created: z.boolean() });

export const unpackedSchema = z.object({ entries: z.number(), bytes: z.number() });
