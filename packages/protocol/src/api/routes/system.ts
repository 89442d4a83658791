import * as z from 'zod';
import * as system from '../system.ts';
import type { Route } from '../route.ts';
import { later } from './not-yet.ts';

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
  emergencyStop: {
    method: 'POST',
    path: '/system/emergency-stop',
    tag: 'system',
    summary: 'Stop every VM at once',
    permission: 'system:admin',
    response: system.emergencyStopSchema,
  },
  systemAlerts: {
    method: 'GET',
    path: '/system/alerts',
    tag: 'system',
    summary: 'Alerts',
    permission: 'system:read',
    missing: later.alerts,
  },
} as const satisfies Record<string, Route>;
