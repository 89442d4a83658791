import { isNovaError, NovaError, toNovaError, type ErrorCode } from '@novasandbox/protocol';
import type { FastifyReply } from 'fastify';
import { unsatisfiedRange } from '../bodies/range.ts';
import { linger } from './linger.ts';

/** Codes of Fastify and Node for mistakes of clients, and the codes of this API for them. */
const codes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_request',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_ASYNC_CONSTRAINT: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  ECONNRESET: 'cancelled',
  ERR_STREAM_PREMATURE_CLOSE: 'cancelled',
};

export function httpError(error: unknown): NovaError {
  if (isNovaError(error)) return error;
  if (error instanceof Error) {
    const code = 'code' in error ? codes[String(error.code)] : undefined;
    if (code !== undefined) return new NovaError(code, error.message, { cause: error });
    if ('statusCode' in error && error.statusCode === 400)
      return new NovaError('malformed_request', error.message, { cause: error });
  }
  return toNovaError(error);
}

/** Sends an error in the form that all errors have. The cause of an internal error is logged and not sent. */
export function sendError(reply: FastifyReply, error: NovaError): FastifyReply {
  const { status, code, hint } = error;
  const retryAfter = error.details['retry_after_seconds'];
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfter))));
  if (code === 'range_not_satisfiable') void reply.header('content-range', unsatisfiedRange(error.details['size']));
  linger(reply.raw);
  if (status === 401) void reply.header('www-authenticate', 'Bearer');
  const message =
    code === 'internal' ? 'An internal error occurred; the log of the daemon has the details.' : error.message;
  const details = code === 'internal' ? {} : error.details;
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: { code, message, hint, details } }));
}
