import * as z from 'zod';
import type { Permission } from './permissions.ts';

/** One REST route as data: the server registers it, OpenAPI describes it, clients and the contract test read it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below /api/v1, `{name}` for a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** `public`: without credentials. `authenticated`: any valid ones. */
  readonly permission: Permission | 'public' | 'authenticated';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /**
   * Largest JSON body, KiB; 64 where nothing is said. The daemon's own limit (`server.body_limit_mb`) holds besides.
   */
  readonly bodyKb?: number;
  /** The body is not JSON: `multipart`, or `raw` bytes. */
  readonly bodyType?: 'multipart' | 'raw';
  readonly status?: 200 | 201 | 202 | 204;
  readonly response?: z.ZodType;
  /** What comes back when it is not one JSON value. */
  readonly responseType?: 'bytes' | 'ndjson' | 'events' | 'websocket';
  /** Takes `Idempotency-Key`. */
  readonly idempotent?: true;
  /** The engine cannot do this yet: the route answers 501 with this sentence. */
  readonly missing?: string;
}

/** `bodyKb` of a route that does not name it. */
export const defaultBodyKb = 64;

export const idParam = 'id or name of the VM';

export const errorEnvelopeSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string(),
    details: z.record(z.string(), z.unknown()),
  }),
});
