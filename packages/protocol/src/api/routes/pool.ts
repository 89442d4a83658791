import { drainedSchema, poolSchema } from '../pool.ts';
import type { Route } from '../route.ts';

/** The warm pool. */
export const poolRoutes = {
  getPool: {
    method: 'GET',
    path: '/pool',
    tag: 'pool',
    summary: 'The clones that wait to become VMs, and how creates were served',
    permission: 'resource:read',
    response: poolSchema,
  },
  drainPool: {
    method: 'POST',
    path: '/pool/drain',
    tag: 'pool',
    summary: 'End the clones that wait; the next create starts the pool again',
    permission: 'system:admin',
    response: drainedSchema,
  },
} as const satisfies Record<string, Route>;
