/** Does what `Promise.withResolvers` does, which is missing in the oldest Node that the client supports (20). */
export function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...(settle as Omit<PromiseWithResolvers<T>, 'promise'>) };
}
