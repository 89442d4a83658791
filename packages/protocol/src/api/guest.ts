import * as z from 'zod';
import { runOptionsSchema } from '../commands.ts';
import { endShape } from '../exits.ts';
import { withoutNul } from '../sandbox.ts';
import { entryTypeSchema, manifestEntrySchema, type Entry } from '../files.ts';
import { inCamelCase } from './names.ts';
import { queryBoolean } from './query.ts';

const options = runOptionsSchema.shape;

/** One argument of execve. */
const word = z.string().max(131_072).regex(withoutNul, 'must not contain NUL');

/** A command on the wire. A string is run by `/bin/sh -c`, an array without a shell. */
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
  /** Written to the command's standard input, which is then closed. */
  stdin: z
    .string()
    .max(10 * 1024 * 1024)
    .optional(),
  tag: options.tag,
  /**
   * Whether the command continues when its client disappears without a goodbye; otherwise it is ended a little later.
   */
  keep_running: z.boolean().default(false),
});
export type Execute = z.output<typeof executeSchema>;

/** Output beyond this is cut from the response, which says so; streams have no such limit. */
export const maxCollectedOutputBytes = 16 * 1024 * 1024;

export const executedSchema = z.object({
  ...endShape,
  stdout: z.string(),
  stderr: z.string(),
  duration_ms: z.number(),
  truncated: z.boolean(),
  process_id: z.int(),
});

/**
 * One line of a streamed execution (NDJSON), or the data of one Server-Sent Event named by `type`. Output is in base64
 * because it need not be text.
 */
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
  z.object({ type: z.literal('exit'), ...endShape, duration_ms: z.number() }),
  /**
   * The end of a stream that does not follow its command: the command is still running, and the next read continues at
   * these offsets.
   */
  z.object({ type: z.literal('running'), stdout_offset: z.int(), stderr_offset: z.int() }),
  z.object({ type: z.literal('error'), error: z.object({ code: z.string(), message: z.string(), hint: z.string() }) }),
]);
export type ExecuteEvent = z.infer<typeof executeEventSchema>;

const processSchema = z.object({
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

export const entryOfWire = (wire: EntryWire): Entry => inCamelCase(wire);

const guestPath = z.string().min(1).max(4096).regex(withoutNul, 'must not contain NUL');
export const pathQuerySchema = z.object({ path: guestPath, user: options.user });
export const listFilesQuerySchema = pathQuerySchema.extend({
  recursive: queryBoolean.default(false),
  depth: z.coerce.number().int().min(1).max(64).optional(),
});
export const writeFileQuerySchema = pathQuerySchema.extend({
  /** Octal digits, such as 0755. */
  permissions: z
    .string()
    .regex(/^0?[0-7]{3,4}$/)
    .optional(),
  append: queryBoolean.default(false),
  exclusive: queryBoolean.default(false),
  /** Writes from this byte on and leaves the rest of the file as it is. */
  offset: z.coerce.number().int().min(0).optional(),
});
/** The fields of a multipart upload that precede its file. */
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

const relativePaths = z.array(guestPath).max(50_000).optional();
export const manifestRequestSchema = z.strictObject({
  path: guestPath,
  user: options.user,
  /**
   * Entries that are left out, with all that is below them: a path relative to `path` if there is a slash in it, even
   * at its beginning; otherwise a name at every level.
   */
  skip: relativePaths,
  /** Lists these relative paths alone, as far as they exist. */
  only: relativePaths,
  /** Files of at most that many bytes come with their digest; default 0: none. */
  hash_bytes: z.int().min(0).optional(),
  /** Most entries; default 1 000 000. */
  limit: z.int().min(1).max(10_000_000).optional(),
});

export type ManifestRequestWire = z.output<typeof manifestRequestSchema>;

/** One line of a manifest (NDJSON). The last one has `end`, or the error that broke the listing off. */
export const manifestLineSchema = z.object({
  entries: z.array(manifestEntrySchema),
  end: z.boolean(),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).optional(),
});
export type ManifestLine = z.input<typeof manifestLineSchema>;

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
