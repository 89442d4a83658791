import * as z from 'zod';
import { ptySizeSchema } from '../commands.ts';
import { changeSchema } from '../files.ts';
import { executeSchema } from './guest.ts';

/**
 * WebSockets. Text messages are JSON of these schemas; binary messages are data. Both sides stop reading their socket when they cannot keep up:
 * the connection's own flow control reaches the process in the guest.
 *
 * exec  GET /api/v1/vms/{id}/exec           first message from the client: `start` or `attach`; binary from the client is stdin (or pty input);
 *                                            binary from the server begins with one byte: 1 stdout, 2 stderr, 3 pty.
 * shell GET /api/v1/vms/{id}/shell           a terminal with bash or sh: `?cols&rows&user`; binary both ways; text `resize` from the client, `exit` from the server.
 * watch GET /api/v1/vms/{id}/files/watch     `?path&recursive&user`; text messages `watching`, then `change`.
 * tunnel GET /api/v1/vms/{id}/tunnel/{port}  text message `open` from the server when the connection stands, or `error`; then bytes both ways; a text message
 *                                            `{"type":"end"}` from the client ends its direction alone; closed with 1000 when the guest's direction has ended.
 * events GET /api/v1/vms/{id}/events, GET /api/v1/system/events   `?since=<id>`: one event a text message, from the one after that id on as far as they are kept.
 */
export const execClientMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('start'),
    ...executeSchema.omit({ stdin: true }).shape,
    stdin: z.boolean().default(false),
    pty: ptySizeSchema.optional(),
    retain_bytes: z.int().min(0).max(16_777_216).default(65_536),
  }),
  z.strictObject({
    type: z.literal('attach'),
    process_id: z.int(),
    stdout_offset: z.int().nullable(),
    stderr_offset: z.int().nullable(),
    stdin: z.boolean().default(true),
  }),
  z.strictObject({ type: z.literal('signal'), signal: z.int().min(1).max(64) }),
  z.strictObject({ type: z.literal('resize'), cols: z.int().min(1).max(10_000), rows: z.int().min(1).max(10_000) }),
  /** End of standard input. */
  z.strictObject({ type: z.literal('close_stdin') }),
  /** The client leaves, and the command goes on. Without it the command ends a little after a client that has gone. */
  z.strictObject({ type: z.literal('detach') }),
]);
export type ExecClientMessage = z.input<typeof execClientMessageSchema>;

const exitShape = {
  exit_code: z.int(),
  signal: z.int().nullable(),
  timed_out: z.boolean(),
  oom_killed: z.boolean(),
  stdout_bytes: z.number(),
  stderr_bytes: z.number(),
  user_us: z.number(),
  system_us: z.number(),
  max_rss_kb: z.number(),
  wall_us: z.number(),
};

export const streamErrorSchema = z.object({
  type: z.literal('error'),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
});

export const execServerMessageSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('started'),
    process_id: z.int(),
    pid: z.int(),
    stdout_offset: z.int(),
    stderr_offset: z.int(),
  }),
  z.object({ type: z.literal('exit'), ...exitShape }),
  streamErrorSchema,
]);
export type ExecServerMessage = z.infer<typeof execServerMessageSchema>;

export const watchServerMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('watching') }),
  z.object({ type: z.literal('change'), change: changeSchema }),
  streamErrorSchema,
]);

export const tunnelServerMessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('open') }),
  streamErrorSchema,
]);

/** First byte of a binary message from the server. */
export const outputChannelBytes = { stdout: 1, stderr: 2, pty: 3 } as const;

/** What happens, as told to WebSockets, logs and webhooks. */
export const eventSchema = z.object({
  id: z.int(),
  time: z.iso.datetime(),
  type: z.enum([
    'vm.creating',
    'vm.created',
    'vm.started',
    'vm.paused',
    'vm.resumed',
    'vm.stopped',
    'vm.removed',
    'vm.failed',
    'vm.timeout_changed',
    'command.started',
    'command.ended',
    'template.building',
    'template.built',
    'server.started',
    'server.stopping',
  ]),
  vm_id: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type NovaEvent = z.infer<typeof eventSchema>;
