/** Runs pieces of work on one sandbox one at a time, and those on different sandboxes side by side. */
export interface Turns {
  run<T>(sandbox: string, work: () => Promise<T>): Promise<T>;
  /** Resolves when all work that was begun has ended. */
  ended(): Promise<void>;
}

export function createTurns(): Turns {
  const underWay = new Map<string, Promise<unknown>>();
  return {
    run<T>(sandbox: string, work: () => Promise<T>): Promise<T> {
      const before = underWay.get(sandbox) ?? Promise.resolve();
      const running = before.then(work, work);
      const settled = running.then(
        () => undefined,
        () => undefined,
      );
      underWay.set(sandbox, settled);
      const forget = (): void => {
        if (underWay.get(sandbox) === settled) underWay.delete(sandbox);
      };
      settled.then(forget, forget);
      return running;
    },
    async ended() {
      await Promise.all(underWay.values());
    },
  };
}
