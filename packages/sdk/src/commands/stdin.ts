import type { AttachedProcess } from '@novasandbox/engine/services';

/** Input for a process. Text is encoded as UTF-8. */
export type StdinSource = string | Uint8Array | AsyncIterable<string | Uint8Array>;

export function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

/**
 * Feeds a process and closes its stdin. Ends early when the process does: unread input does not matter then, but the
 * source is told to stop. Rejects only with an error that the source throws.
 */
export async function feedStdin(process: AttachedProcess, source: StdinSource): Promise<void> {
  let over = false;
  let wake: (() => void) | undefined;
  const stop = (): void => {
    over = true;
    wake?.();
  };
  process.exit.then(stop, stop);
  // A failed write means that the process or its guest is gone, which the process's exit reports better.
  const write = (data: string | Uint8Array): Promise<void> => process.writeStdin(toBytes(data)).catch(stop);
  if (typeof source === 'string' || source instanceof Uint8Array) {
    await write(source);
  } else {
    const iterator = source[Symbol.asyncIterator]();
    for (;;) {
      const next = await new Promise<IteratorResult<string | Uint8Array> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        if (over) resolve(undefined);
        else iterator.next().then(resolve, reject);
      });
      if (next === undefined) {
        // Not awaited: a generator that is waiting for something only returns once that arrives.
        iterator.return?.().catch(() => undefined);
        return;
      }
      if (next.done === true) break;
      await write(next.value);
    }
  }
  await process.closeStdin().catch(stop);
}
