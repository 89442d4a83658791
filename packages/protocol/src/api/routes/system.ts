import * as z from 'zod';
import * as storage from '../storage.ts';
import * as system from '../system.ts';
import { eventsQuerySchema } from '../streams.ts';
import type { Route } from '../route.ts';

/** The host and the daemon. */
export const systemRoutes = {
  systemInfo: {
    method: 'GET',
    path: '/system/info',
    tag: 'system',
    summary: 'Host and hypervisors',
    permission: 'system:read',
    response: system.systemInfoSchema,
  },
  systemMetrics: {
    method: 'GET',
    path: '/system/metrics',
    tag: 'system',
    summary: 'What the host uses',
    permission: 'system:read',
    response: system.systemMetricsSchema,
  },
  systemDiagnostics: {
    method: 'GET',
    path: '/system/diagnostics',
    tag: 'system',
    summary: 'What is amiss, with remedies',
    permission: 'system:read',
    response: system.diagnosticsSchema,
  },
  systemEvents: {
    method: 'GET',
    path: '/system/events',
    tag: 'system',
    summary: 'All events',
    permission: 'system:read',
    query: z.object({ since: z.coerce.number().int().min(0).optional() }),
    responseType: 'websocket',
  },
  streamEvents: {
    method: 'GET',
    path: '/events',
    tag: 'system',
    summary: 'Events as they happen, or those that are kept (NDJSON, or Server-Sent Events when asked for)',
    permission: 'system:read',
    query: eventsQuerySchema,
    responseType: 'ndjson',
  },
  systemStorage: {
    method: 'GET',
    path: '/system/storage',
    tag: 'system',
    summary: 'The space that the state folder takes, and what of it nobody needs',
    permission: 'system:admin',
    response: storage.storageUsageSchema,
  },
  collectGarbage: {
    method: 'POST',
    path: '/system/gc',
    tag: 'system',
    summary: 'Remove what nobody needs',
    permission: 'system:admin',
    body: storage.collectSchema,
    response: storage.collectedSchema,
  },
  emergencyStop: {
    method: 'POST',
    path: '/system/emergency-stop',
    tag: 'system',
    summary: 'Stop every VM at once',
    permission: 'system:admin',
    response: system.emergencyStopSchema,
  },
} as const satisfies Record<string, Route>;
