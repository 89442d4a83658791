import * as z from 'zod';
import { guestInfoSchema, pingedSchema, processListSchema } from '../guest.ts';
import { vmSchema } from '../vms.ts';
import type { Route } from '../route.ts';

/** Routes about the guest itself. */
export const guestRoutes = {
  pingGuest: {
    method: 'GET',
    path: '/vms/{id}/guest/ping',
    tag: 'guest',
    summary: 'A round trip to the agent',
    permission: 'vm:read',
    response: pingedSchema,
  },
  guestInfo: {
    method: 'GET',
    path: '/vms/{id}/guest/system-info',
    tag: 'guest',
    summary: 'Kernel, host name, uptime of the guest',
    permission: 'vm:read',
    response: guestInfoSchema,
  },
  guestProcesses: {
    method: 'GET',
    path: '/vms/{id}/guest/processes',
    tag: 'guest',
    summary: 'Commands that run in the guest',
    permission: 'vm:read',
    response: processListSchema,
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
} as const satisfies Record<string, Route>;
