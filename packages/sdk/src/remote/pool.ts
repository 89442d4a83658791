import type { Dispatcher, Pool } from 'undici';
// Two parts of undici by their files: its index loads fetch, caches, mocks and proxies too, which a verb of the command line would wait 70 ms
// for. The version is pinned, and every call goes through here.
import api from 'undici/lib/api/index.js';
import PoolClass from 'undici/lib/dispatcher/pool.js';

export interface ConnectionPool {
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  destroy(): Promise<void>;
}

/** Connections to one origin, kept open between requests. */
export function connectionPool(origin: string, options: Pool.Options): ConnectionPool {
  const pool = new PoolClass(origin, options);
  return {
    request: (how) => api.request.call(pool, how) as Promise<Dispatcher.ResponseData>,
    destroy: () => pool.destroy(),
  };
}
