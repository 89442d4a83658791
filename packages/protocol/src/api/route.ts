import * as z from 'zod';
import type { Permission } from '../permissions.ts';

/** One REST route as data: the server registers it, OpenAPI describes it, and clients and the contract test read it. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below /api/v1, with `{name}` for a parameter. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** `public`: no credentials needed. `authenticated`: any valid credentials. */
  readonly permission: Permission | 'public' | 'authenticated';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** Limit of the JSON body, in KiB; default 64. The daemon's own limit (`server.body_limit_mb`) applies as well. */
  readonly bodyKb?: number;
  /** Type of a body that is not JSON: `multipart`, or `raw` bytes. */
  readonly bodyType?: 'multipart' | 'raw';
  readonly status?: 200 | 201 | 202 | 204;
  readonly response?: z.ZodType;
  /** Type of a response that is not a single JSON value. */
  readonly responseType?: 'bytes' | 'ndjson' | 'events' | 'websocket';
  /** The route accepts `Idempotency-Key`. */
  readonly idempotent?: true;
}

/** Value of `bodyKb` for routes without it. */
export const defaultBodyKb = 64;

/** An error as clients are told of it. */
export const errorWireSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  details: z.record(z.string(), z.unknown()),
});
export const errorEnvelopeSchema = z.object({ error: errorWireSchema });
