/**
 * The part of tslib that the client uses: the compiler's code for `await using`. Its names are the compiler's. The
 * client has no `using` without `await`.
 */
interface Disposal {
  readonly stack: (() => unknown)[];
  error: unknown;
  hasError: boolean;
}

export function __addDisposableResource<T>(disposal: Disposal, value: T, isAsync: true): T {
  if (value === null || value === undefined) return value;
  const disposable = value as Partial<AsyncDisposable & Disposable>;
  const dispose = disposable[Symbol.asyncDispose] ?? disposable[Symbol.dispose];
  if (!isAsync || typeof dispose !== 'function') throw new TypeError('The object cannot be disposed with await.');
  disposal.stack.push(() => dispose.call(disposable));
  return value;
}

export async function __disposeResources(disposal: Disposal): Promise<void> {
  for (const dispose of disposal.stack.reverse()) {
    try {
      await dispose();
    } catch (error) {
      disposal.error = disposal.hasError ? suppressed(error, disposal.error) : error;
      disposal.hasError = true;
    }
  }
  if (disposal.hasError) throw disposal.error;
}

/** Node 20 has no class for this. */
const suppressed = (error: unknown, first: unknown): Error =>
  Object.assign(new Error('A resource could not be disposed after an error.'), {
    name: 'SuppressedError',
    error,
    suppressed: first,
  });
