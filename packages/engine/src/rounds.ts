/** Runs `work` at an interval, one round at a time. Disposing waits for the round in progress. */
export function startRounds(everyMs: number, work: () => Promise<void>): AsyncDisposable {
  let running = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    timer = setTimeout(() => {
      // A failure now is tried again in the next round.
      running = work()
        .catch(() => undefined)
        .finally(next);
    }, everyMs).unref();
  };
  next();
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await running;
      clearTimeout(timer);
    },
  };
}
