import * as z from 'zod';
import { executeSchema, executedSchema, processListSchema, signalSchema, startedProcessSchema } from '../guest.ts';
import { queryBoolean } from '../query.ts';
import type { Route } from '../route.ts';

const offsets = z.object({
  stdout_offset: z.coerce.number().int().min(0).optional(),
  stderr_offset: z.coerce.number().int().min(0).optional(),
  follow: queryBoolean
    .default(true)
    .describe('false: what there is so far; the last line is then `running`, with the offsets to go on at, or `exit`'),
});

/** Covers arguments and environment: Linux accepts about 2 MiB of them. */
const commandBodyKb = 4096;
/** Covers 10 Mi characters of input as well, each of which can take six bytes in JSON. */
const inputBodyKb = 64 * 1024;

/** Commands in VMs. */
export const commandsRoutes = {
  execute: {
    method: 'POST',
    path: '/vms/{id}/execute',
    tag: 'guest',
    summary: 'Run a command to its end',
    permission: 'guest:execute',
    body: executeSchema,
    bodyKb: inputBodyKb,
    response: executedSchema,
    idempotent: true,
  },
  guestExecute: {
    method: 'POST',
    path: '/vms/{id}/guest/execute',
    tag: 'guest',
    summary: 'Run a command to its end',
    permission: 'guest:execute',
    body: executeSchema,
    bodyKb: inputBodyKb,
    response: executedSchema,
    idempotent: true,
  },
  executeStream: {
    method: 'POST',
    path: '/vms/{id}/execute/stream',
    tag: 'guest',
    summary: 'Run a command and stream its output (NDJSON, or Server-Sent Events when asked for)',
    permission: 'guest:execute',
    body: executeSchema,
    bodyKb: inputBodyKb,
    responseType: 'ndjson',
  },
  executeDetached: {
    method: 'POST',
    path: '/vms/{id}/processes',
    tag: 'guest',
    summary: 'Start a command and leave it running',
    permission: 'guest:execute',
    body: executeSchema.omit({ stdin: true }),
    bodyKb: commandBodyKb,
    status: 201,
    response: startedProcessSchema,
    idempotent: true,
  },
  listProcesses: {
    method: 'GET',
    path: '/vms/{id}/processes',
    tag: 'guest',
    summary: 'Commands that run or have just ended',
    permission: 'guest:execute',
    response: processListSchema,
  },
  processOutput: {
    method: 'GET',
    path: '/vms/{id}/processes/{process_id}/output',
    tag: 'guest',
    summary: 'Output of a command from an offset on, as far as the guest keeps it, then what follows and its end',
    permission: 'guest:execute',
    query: offsets,
    responseType: 'ndjson',
  },
  signalProcess: {
    method: 'POST',
    path: '/vms/{id}/processes/{process_id}/signal',
    tag: 'guest',
    summary: 'Send a signal to a command and all it started',
    permission: 'guest:execute',
    body: signalSchema,
    status: 204,
  },
  exec: {
    method: 'GET',
    path: '/vms/{id}/exec',
    tag: 'guest',
    summary: 'A command with input and output both ways',
    permission: 'guest:execute',
    responseType: 'websocket',
  },
  shell: {
    method: 'GET',
    path: '/vms/{id}/shell',
    tag: 'guest',
    summary: 'A terminal',
    permission: 'guest:execute',
    query: z.object({
      cols: z.coerce.number().int().min(1).max(10_000).default(80),
      rows: z.coerce.number().int().min(1).max(10_000).default(24),
      user: z.string().min(1).max(64).optional(),
    }),
    responseType: 'websocket',
  },
  tunnel: {
    method: 'GET',
    path: '/vms/{id}/tunnel/{port}',
    tag: 'guest',
    summary: 'A connection to a TCP port in the guest',
    permission: 'guest:connect',
    responseType: 'websocket',
  },
} as const satisfies Record<string, Route>;
