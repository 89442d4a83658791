import type { CallOptions } from '../ports/guest-agent.ts';
import { ByteQueue } from './byte-queue.ts';
import { DEFAULT_TIMEOUT_MS, Limits, openLimited } from './call.ts';
import { cancelled, protocolError } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { Fields, RecordWriter } from './record.ts';
import type { Session } from './session.ts';
import { Silence } from './silence.ts';
import type { StreamHandler } from './stream-handler.ts';

/** The bytes that the guest sends on one stream. Leaving the iteration cancels the transfer. */
export type Download = Inbox<Uint8Array>;

/** The event that a call waits for before it resolves. */
export interface Opening<T> {
  /**
   * Reads a MESSAGE, and gives undefined when it is not the expected one. Null means that the call resolves at the
   * first bytes or at the end.
   */
  readonly message: ((type: number, fields: Fields) => T | undefined) | null;
  /** The field of RESULT that tells the number of bytes sent, which is then checked; null where there is none. */
  readonly countTag: number | null;
}

/**
 * Requests bytes. Resolves once the guest has begun, so that errors of the start reject the call. The time limit
 * (default 30 s) ends there; the signal counts until the end. From then on the guest may stay silent for at most 30 s
 * at a time, counted only while the consumer has read everything that has arrived.
 */
export async function download<T>(
  session: Session,
  method: number,
  args: RecordWriter,
  opening: Opening<T>,
  options?: CallOptions,
): Promise<{ readonly opened: T | undefined; readonly bytes: Download }> {
  const queue = new ByteQueue();
  const began = Promise.withResolvers<T | undefined>();
  let received = 0;
  let hasBegun = false;
  const begin = (value: T | undefined): void => {
    hasBegun = true;
    limits.settled();
    began.resolve(value);
    silence.begin();
  };
  const silence = new Silence(true, (error) => leave(error));
  const leave = (error: Parameters<StreamHandler['failed']>[0]): void => {
    queue.clear();
    stream.abandon(error);
  };
  const limits = new Limits(options, DEFAULT_TIMEOUT_MS, leave);
  const bytes: Download = new Inbox<Uint8Array>(
    () => {
      const item = queue.shift();
      if (item === undefined) return undefined;
      stream.consumed(item.bytes.length);
      if (queue.empty) silence.begin();
      return item.bytes;
    },
    () => leave(cancelled()),
  );
  const handler: StreamHandler = {
    message: (type, fields) => {
      const opened = hasBegun ? undefined : opening.message?.(type, fields);
      if (opened !== undefined) begin(opened);
    },
    data: (channel, chunk) => {
      if (!hasBegun && opening.message !== null) throw protocolError('bytes before their description');
      received += chunk.length;
      queue.push(channel, chunk);
      if (!hasBegun) begin(undefined);
      silence.pause();
      bytes.wake();
    },
    result: (fields) => {
      if (!hasBegun && opening.message !== null) throw protocolError('an end before the description');
      if (opening.countTag !== null && fields.integer(opening.countTag) !== received) {
        throw protocolError('a transfer ended with a wrong number of bytes');
      }
      if (!hasBegun) begin(undefined);
      limits.release();
      silence.end();
      bytes.end(null);
    },
    failed: (error) => {
      limits.release();
      silence.end();
      began.reject(error);
      if (error.code === 'cancelled') bytes.discard();
      bytes.end(error);
    },
  };
  const stream = openLimited(limits, () => session.open(method, args, 'file', handler));
  return { opened: await began.promise, bytes };
}
