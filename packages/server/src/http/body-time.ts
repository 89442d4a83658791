import { PassThrough, type Readable } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';

/**
 * A streamed body as it arrives. A client that falls silent in the middle is given up on; our own slowness does not count against it. What is
 * left unread stays unread: the answer still has to go over the same connection.
 */
export async function* patiently(body: Readable, silenceMs: number): AsyncGenerator<Uint8Array> {
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  for (;;) {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      silence.reject(
        new NovaError('request_timeout', `Nothing came for ${silenceMs / 1000} s in the middle of the body.`),
      );
    }, silenceMs);
    const next = chunks.next();
    next.catch(() => undefined);
    const step = await Promise.race([next, silence.promise]).finally(() => clearTimeout(timer));
    if (step.done === true) return;
    yield step.value;
  }
}

/** A JSON body, which has to be there as a whole within the time. */
export function timeLimited(body: Readable, limitMs: number): Readable {
  const limited = new PassThrough();
  // An answer may be given before the body is read, and nobody listens then.
  limited.on('error', () => undefined);
  const timer = setTimeout(() => {
    limited.destroy(new NovaError('request_timeout', `The body did not arrive within ${limitMs / 1000} s.`));
  }, limitMs);
  const over = (): void => clearTimeout(timer);
  limited.once('end', over);
  limited.once('close', over);
  body.once('error', (error) => limited.destroy(error));
  // A client that goes in the middle of a body ends it without an error.
  body.once('close', () => {
    over();
    if (!body.readableEnded) limited.destroy(new NovaError('cancelled', 'The client went before its body was whole.'));
  });
  body.pipe(limited);
  return limited;
}
