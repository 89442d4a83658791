import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const prefix = randomBytes(6).toString('hex');
let count = 0;

/** The client's `X-Request-Id` where it is one, else one of our own: unique to this daemon's life, without a system call each. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  if (typeof given === 'string' && /^[\w.:@-]{1,128}$/.test(given)) return given;
  count += 1;
  return `${prefix}-${count.toString(36)}`;
}
