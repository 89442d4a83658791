import type { NovaError, ErrorCode } from '@novasandbox/protocol';
import type { FastifyReply } from 'fastify';
import { httpError } from '../http/errors.ts';

/** Statuses that E2B's clients expect where ours differ. */
const statuses: Partial<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  sandbox_not_running: 409,
  // A full host may have room again soon, so clients should retry.
  host_resource_exhausted: 503,
};

export interface ErrorBody {
  readonly code: number;
  readonly message: string;
}

/** The form of an error that E2B's clients read. */
export function errorBodyOf(error: NovaError): ErrorBody {
  const message = error.code === 'internal' ? 'Internal error' : error.message;
  return { code: statuses[error.code] ?? error.status, message };
}

/** Converts any thrown value into the error form that E2B's clients read. */
export function sendE2bError(reply: FastifyReply, thrown: unknown): NovaError {
  const error = httpError(thrown);
  const body = errorBodyOf(error);
  const retryAfter = error.details['retry_after_seconds'];
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfter))));
  else if (body.code === 503) void reply.header('retry-after', '1');
  void reply.code(body.code).type('application/json; charset=utf-8').send(JSON.stringify(body));
  return error;
}
