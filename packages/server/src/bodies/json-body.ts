import type { IncomingMessage } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import type { HeldBytes } from '../context.ts';
import { createJsonMeter } from './json-meter.ts';

export interface BodyLimits {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Reads a JSON body as text, within the time limit. Unread bytes stay unread, because the answer goes over the same
 * connection. Size and nesting are checked while the body arrives, so that a body beyond the limits is never assembled.
 */
export function textWithin(body: IncomingMessage, { bytes, ms }: BodyLimits, held: HeldBytes): Promise<string> {
  const tooLarge = (): NovaError => new NovaError('payload_too_large', `A body has at most ${bytes} bytes here.`);
  if (Number(body.headers['content-length'] ?? 0) > bytes) return Promise.reject(tooLarge());
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const meter = createJsonMeter();
  const parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length > bytes) throw tooLarge();
    held.add(part.length);
    meter(part);
    parts.push(part);
  };
  const onData = (part: Buffer): void => {
    try {
      take(part);
    } catch (error) {
      over(() => reject(error as NovaError));
    }
  };
  const onEnd = (): void => over(() => resolve(Buffer.concat(parts).toString()));
  const onError = (error: Error): void => over(() => reject(error));
  // A client that disconnects in the middle of a body closes the stream without an error.
  const onClose = (): void =>
    over(() => reject(new NovaError('cancelled', 'The client disconnected before its body was complete.')));
  const timer = setTimeout(() => {
    over(() => reject(new NovaError('request_timeout', `The body did not arrive within ${ms / 1000} s.`)));
  }, ms);
  const over = (settle: () => void): void => {
    clearTimeout(timer);
    body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    // Later errors of the stream have been answered already.
    body.on('error', () => undefined);
    if (!body.readableEnded) body.pause();
    settle();
  };
  body.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  return promise;
}
