/** A promise with what settles it: what `Promise.withResolvers` gives, which the client's oldest Node (20) does not have. */
export function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...(settle as Omit<PromiseWithResolvers<T>, 'promise'>) };
}
