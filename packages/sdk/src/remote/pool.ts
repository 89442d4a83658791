import type { Dispatcher, Pool } from 'undici';
// Imports two parts of undici by file: its index also loads fetch, caches, mocks and proxies, which would delay every
// CLI command by 70 ms. The version is pinned, and every call goes through here.
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
