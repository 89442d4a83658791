import type { Readable } from 'node:stream';
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
