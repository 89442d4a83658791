import { poolWireOf } from '@novasandbox/protocol/api';
import type { JsonHandlers } from './call.ts';

export function poolHandlers(): Pick<JsonHandlers, 'getPool' | 'drainPool'> {
  return {
    getPool: async ({ engine }) => poolWireOf(await engine.pool.status()),
    drainPool: async ({ engine }) => ({ ended: await engine.pool.drain() }),
  };
}
