import type { IncomingMessage } from 'node:http';
import { NovaError } from '@novasandbox/protocol';
import type { ServerConfig } from '../config/schema.ts';

export interface BodyLimits {
  readonly bytes: number;
  readonly ms: number;
}

export const jsonLimits = ({ server }: ServerConfig): BodyLimits => ({
  bytes: Math.round(server.body_limit_mb * 1024 * 1024),
  ms: server.body_timeout_seconds * 1000,
});

/** A JSON body as text, which has to be there as a whole within the time. What is left unread stays unread: the answer goes over the same connection. */
export function textWithin(body: IncomingMessage, { bytes, ms }: BodyLimits): Promise<string> {
  const tooLarge = (): NovaError => new NovaError('payload_too_large', `A body has at most ${bytes} bytes here.`);
  if (Number(body.headers['content-length'] ?? 0) > bytes) return Promise.reject(tooLarge());
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const parts: Buffer[] = [];
  let length = 0;
  const onData = (part: Buffer): void => {
    length += part.length;
    if (length > bytes) over(() => reject(tooLarge()));
    else parts.push(part);
  };
  const onEnd = (): void => over(() => resolve(Buffer.concat(parts).toString()));
  const onError = (error: Error): void => over(() => reject(error));
  // A client that goes in the middle of a body ends it without an error.
  const onClose = (): void =>
    over(() => reject(new NovaError('cancelled', 'The client went before its body was whole.')));
  const timer = setTimeout(() => {
    over(() => reject(new NovaError('request_timeout', `The body did not arrive within ${ms / 1000} s.`)));
  }, ms);
  const over = (settle: () => void): void => {
    clearTimeout(timer);
    body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    // An error that comes later has been answered already.
    body.on('error', () => undefined);
    if (!body.readableEnded) body.pause();
    settle();
  };
  body.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  return promise;
}
