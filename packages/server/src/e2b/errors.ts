import type { NovaError, ErrorCode } from '@novasandbox/protocol';
import type { FastifyReply } from 'fastify';
import { httpError } from '../http/errors.ts';

/** Where these clients expect another status than ours. */
const statuses: Partial<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  sandbox_not_running: 409,
  // A host that is full now may have room soon.
  host_resource_exhausted: 503,
};

export interface ErrorBody {
  readonly code: number;
  readonly message: string;
}

/** Any thrown thing in the form these clients read. */
export function sendE2bError(reply: FastifyReply, thrown: unknown): NovaError {
  const error = httpError(thrown);
  const status = statuses[error.code] ?? error.status;
  const retryAfter = error.details['retry_after_seconds'];
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfter))));
  else if (status === 503) void reply.header('retry-after', '1');
  const message = error.code === 'internal' ? 'Internal error' : error.message;
  const body: ErrorBody = { code: status, message };
  void reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
  return error;
}
