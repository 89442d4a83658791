import type { Readable, Writable } from 'node:stream';

/** Counts bytes and says how long to wait before more are passed on, ms; null: never. */
export type Meter = (bytes: number) => number | null;

/** Changes bytes on their way. */
export interface Filter {
  /** The bytes to pass on now; others may be kept until it is clear what they are. */
  write(chunk: Buffer): Buffer;
  /** The bytes that were kept. */
  end(): Buffer;
}

/**
 * Passes all bytes of `source` on to `sink`, as fast as the sink takes them and the meter allows, and then its end.
 * Resolves after the end; rejects when either side fails, closes early, or the meter says never. Neither side is
 * destroyed here.
 */
export function pump(source: Readable, sink: Writable, meter: Meter, filter?: Filter): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let isFull = false;
  const goOn = (): void => {
    if (timer === undefined && !isFull) source.resume();
  };
  const onData = (chunk: Buffer): void => {
    const passed = filter === undefined ? chunk : filter.write(chunk);
    // A sink says that it is full also where it has passed the chunk on at once, as sockets mostly do.
    isFull = passed.length > 0 && !sink.write(passed) && sink.writableLength > 0;
    const waitMs = meter(chunk.length);
    if (waitMs === null) return stop(new Error('All bytes that the policy allows are used up.'));
    if (waitMs > 0) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        timer = undefined;
        goOn();
      }, waitMs);
    }
    if (isFull || waitMs > 0) source.pause();
  };
  const onDrain = (): void => {
    isFull = false;
    goOn();
  };
  const onEnd = (): void => {
    sink.end(filter?.end());
    stop(null);
  };
  const onError = (error: Error): void => stop(error);
  const onClose = (): void => stop(new Error('The connection was closed early.'));
  const stop = (error: Error | null): void => {
    clearTimeout(timer);
    source.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    sink.off('drain', onDrain).off('error', onError).off('close', onClose);
    if (error === null) resolve();
    else reject(error);
  };
  source.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  sink.on('drain', onDrain).on('error', onError).on('close', onClose);
  if (source.readableEnded) onEnd();
  else if (source.destroyed || sink.destroyed) onClose();
  else source.resume();
  return promise;
}
