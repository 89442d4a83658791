import type { Readable } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';

/**
 * Yields a streamed body as it arrives. A client that sends nothing for `silenceMs` is given up on; time that the
 * reader takes does not count. Unread bytes stay unread, because the answer still has to go over the same connection.
 */
export async function* patiently(body: Readable, silenceMs: number): AsyncGenerator<Uint8Array> {
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  for (;;) {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      silence.reject(
        new NovaError(
          'request_timeout',
          `The client sent nothing for ${silenceMs / 1000} s in the middle of the body.`,
        ),
      );
    }, silenceMs);
    const next = chunks.next();
    next.catch(() => undefined);
    const step = await Promise.race([next, silence.promise]).finally(() => clearTimeout(timer));
    if (step.done === true) return;
    yield step.value;
  }
}
