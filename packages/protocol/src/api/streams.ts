import * as z from 'zod';
import { ptySizeSchema } from '../commands.ts';
import { exitShape } from '../exits.ts';
import { eventKindSchema, eventTypeSchema, type SandboxEvent } from '../events.ts';
import { changeSchema } from '../files.ts';
import { executeSchema } from './guest.ts';
import { queryBoolean } from './query.ts';

/**
 * WebSockets. Text messages are JSON of these schemas; binary messages are data. Both sides stop reading their socket
 * when they cannot keep up: the connection's own flow control reaches the process in the guest.
 *
 * - exec, GET /api/v1/vms/{id}/exec: the client's first message is `start` or `attach`. Binary messages from the client
 *   are stdin (or pty input); those from the server begin with one byte: 1 stdout, 2 stderr, 3 pty.
 * - shell, GET /api/v1/vms/{id}/shell: a terminal with bash or sh; query `?cols&rows&user`. Binary messages go both
 *   ways; text messages are `resize` from the client and `exit` from the server.
 * - watch, GET /api/v1/vms/{id}/files/watch: query `?path&recursive&user`; text messages `watching`, then `change`.
 * - tunnel, GET /api/v1/vms/{id}/tunnel/{port}: a text message from the server, `open` when the connection is
 *   established or else `error`; then bytes go both ways. A text message `{"type":"end"}` from the client ends its
 *   direction only. The server closes with 1000 when the guest's direction has ended.
 * - events, GET /api/v1/vms/{id}/events and GET /api/v1/system/events: query `?since=<id>`. Each text message is one
 *   event, starting after that id as far as events are kept.
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
  /**
   * The client leaves, and the command continues. Without this, the command is ended a little after its client is gone.
   */
  z.strictObject({ type: z.literal('detach') }),
]);
export type ExecClientMessage = z.input<typeof execClientMessageSchema>;

const streamErrorSchema = z.object({
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

/** How long commands wait in the guest for the daemon's successor, and clients look for it, in ms. */
export const restartMs = 60_000;

/** First byte of a binary message from the server. */
export const outputChannelBytes = { stdout: 1, stderr: 2, pty: 3 } as const;

/** An event, as WebSockets, streams and logs report it. */
export const eventSchema = z.object({
  id: z.int(),
  time: z.iso.datetime(),
  type: eventTypeSchema,
  vm_id: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type NovaEvent = z.infer<typeof eventSchema>;

export const eventOfWire = ({ vm_id: sandboxId, ...same }: NovaEvent): SandboxEvent => ({ ...same, sandboxId });

export const eventsQuerySchema = z.object({
  since: z.coerce.number().int().min(0).optional().describe('The id of the last event that is known'),
  since_time: z.iso.datetime().optional(),
  vm: z.string().min(1).max(64).optional().describe('Id or name of a VM: its events alone, until it is removed'),
  type: z
    .union([eventKindSchema, z.array(eventKindSchema)])
    .optional()
    .describe('Types, or beginnings of types such as `vm`; may be repeated'),
  follow: queryBoolean.default(true).describe('false: those that are kept, and no more'),
});
