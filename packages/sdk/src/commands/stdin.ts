import type { AttachedProcess } from '@novasandbox/engine/services';

/** What can be fed to a process: text goes as UTF-8. */
export type StdinSource = string | Uint8Array | AsyncIterable<string | Uint8Array>;

/** Text or bytes as bytes. */
export function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

/**
 * Feeds a process and closes its stdin. Ends early when the process does: what it has not read then is nobody's loss, but the source
 * is told to stop. Rejects only with what the source throws.
 */
export async function feedStdin(process: AttachedProcess, source: StdinSource): Promise<void> {
  let over = false;
  let wake: (() => void) | undefined;
  const stop = (): void => {
    over = true;
    wake?.();
  };
  process.exit.then(stop, stop);
  // A write that fails means that the process or its guest has gone, which its exit tells better.
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
        // Not awaited: a generator that waits for something answers only when that comes.
        iterator.return?.().catch(() => undefined);
        return;
      }
      if (next.done === true) break;
      await write(next.value);
    }
  }
  await process.closeStdin().catch(stop);
}
