/** Interval of keepalives, so that no proxy between the daemon and the client takes a silent stream for dead. */
export const keepaliveMs = 15_000;

/** Returns the value of the promise, or null when it takes longer than `ms`. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
