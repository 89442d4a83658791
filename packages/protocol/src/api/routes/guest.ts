import * as z from 'zod';
import { processSchema } from '../guest.ts';
import { vmSchema } from '../vms.ts';
import type { Route } from '../route.ts';
import { later } from './not-yet.ts';

/** The guest as such. */
export const guestRoutes = {
  pingGuest: {
    method: 'GET',
    path: '/vms/{id}/guest/ping',
    tag: 'guest',
    summary: 'A round trip to the agent',
    permission: 'vm:read',
    response: z.object({ ok: z.literal(true), round_trip_ms: z.number() }),
  },
  guestInfo: {
    method: 'GET',
    path: '/vms/{id}/guest/system-info',
    tag: 'guest',
    summary: 'Kernel, host name, uptime of the guest',
    permission: 'vm:read',
    response: z.object({
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
    }),
  },
  guestProcesses: {
    method: 'GET',
    path: '/vms/{id}/guest/processes',
    tag: 'guest',
    summary: 'Commands that run in the guest',
    permission: 'vm:read',
    response: z.object({ processes: z.array(processSchema) }),
  },
  guestHealth: {
    method: 'GET',
    path: '/vms/{id}/guest/health',
    tag: 'guest',
    summary: 'Whether the guest is well',
    permission: 'vm:read',
    response: z.object({ healthy: z.boolean(), detail: z.string() }),
  },
  shutdownGuest: {
    method: 'POST',
    path: '/vms/{id}/guest/shutdown',
    tag: 'guest',
    summary: 'Shut the guest down',
    permission: 'vm:stop',
    response: vmSchema,
  },
  guestServices: {
    method: 'GET',
    path: '/vms/{id}/guest/services',
    tag: 'guest',
    summary: 'Services of a Windows guest',
    permission: 'vm:read',
    missing: later.windows,
  },
  guestEventLogs: {
    method: 'POST',
    path: '/vms/{id}/guest/event-logs',
    tag: 'guest',
    summary: 'Event logs of a Windows guest',
    permission: 'vm:read',
    missing: later.windows,
  },
} as const satisfies Record<string, Route>;
