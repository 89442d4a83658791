/** Does `work` every so often, one round at a time; disposing waits for the one that is under way. */
export function startRounds(everyMs: number, work: () => Promise<void>): AsyncDisposable {
  let running = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    timer = setTimeout(() => {
      // What fails now is tried again in the next round.
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
