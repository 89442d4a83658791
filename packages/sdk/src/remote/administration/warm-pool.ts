import type { PoolService } from '@novasandbox/engine/services';
import { poolOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** The warm pool of a daemon. */
export function createRemotePool(http: HttpClient): PoolService {
  return {
    status: async () => poolOfWire(await http.call('getPool', {})),
    drain: async () => (await http.call('drainPool', {})).ended,
  };
}
