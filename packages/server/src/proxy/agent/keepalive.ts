const defaultSeconds = 90;

/** Reads the interval that a client asks for in `keepalive-ping-interval` (seconds), in ms. */
export function keepaliveMs(headers: Headers): number {
  const asked = Number(headers.get('keepalive-ping-interval') ?? defaultSeconds);
  return (Number.isFinite(asked) && asked >= 1 && asked <= 3600 ? asked : defaultSeconds) * 1000;
}

/**
 * Yields the values of a source, and a beat whenever it has been silent for the interval. Ending the generator ends the
 * source.
 */
export async function* keptAlive<T>(source: AsyncIterable<T>, everyMs: number, beat: () => T): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let silent = Promise.withResolvers<null>();
  const timer = setInterval(() => silent.resolve(null), everyMs);
  try {
    let pending = iterator.next();
    for (;;) {
      const next = await Promise.race([pending, silent.promise]);
      if (next === null) {
        silent = Promise.withResolvers<null>();
        yield beat();
        continue;
      }
      if (next.done === true) return;
      timer.refresh();
      pending = iterator.next();
      // A source may fail while its last value is on its way.
      pending.catch(() => undefined);
      yield next.value;
    }
  } finally {
    clearInterval(timer);
    // The end of the source is not awaited: a silent source may never settle.
    void iterator.return?.().catch(() => undefined);
  }
}
