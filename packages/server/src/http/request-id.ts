import { randomBytes } from 'node:crypto';
import type { RequestIds } from '../context.ts';

/**
 * Takes the `X-Request-Id` of the client when it is valid. Any other request gets an id that is unique within the life
 * of this daemon, and that takes no system call to make.
 */
export function createRequestIds(): RequestIds {
  const prefix = randomBytes(6).toString('hex');
  let count = 0;
  return (request) => {
    const given = request.headers['x-request-id'];
    if (typeof given === 'string' && /^[\w.:@-]{1,128}$/.test(given)) return given;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
