import { createRequire } from 'node:module';
import type { Dispatcher, Pool } from 'undici';

/**
 * The two parts of undici that are needed, by their files: its index loads fetch, caches, mocks and proxies too, which a verb of the command
 * line would wait 70 ms for. The version is pinned, and every call goes through here.
 */
const require = createRequire(import.meta.url);
const PoolClass = require('undici/lib/dispatcher/pool.js') as typeof Pool;
const { request } = require('undici/lib/api/index.js') as { readonly request: Dispatcher['request'] };

export interface ConnectionPool {
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  destroy(): Promise<void>;
}

/** Connections to one origin, kept open between requests. */
export function connectionPool(origin: string, options: Pool.Options): ConnectionPool {
  const pool = new PoolClass(origin, options);
  return {
    request: (how) => request.call(pool, how) as Promise<Dispatcher.ResponseData>,
    destroy: () => pool.destroy(),
  };
}
