import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';

const options = {
  methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowedHeaders: ['authorization', 'x-api-key', 'content-type', 'idempotency-key', 'x-request-id', 'range'],
  exposedHeaders: ['x-request-id', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after'],
  maxAge: 600,
};

/**
 * Allows CORS for the configured origins only. Preflights are answered before authentication, because they carry no
 * credentials.
 */
export async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    delegator: ({ headers }, decide) => {
      const allowed = headers.origin !== undefined && origins.includes(headers.origin);
      // Any other OPTIONS request is handled like other methods.
      const preflight = headers['access-control-request-method'] !== undefined;
      decide(null, allowed ? { ...options, origin: [headers.origin ?? ''], preflight } : { origin: false });
    },
  });
}
