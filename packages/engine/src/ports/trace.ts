import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * The request that the current work belongs to. It travels with the calls and is not an argument, because results do
 * not depend on it.
 */
export interface Trace {
  /** Names the request in logs, including the guest's: 1 to 128 of the characters `A-Z a-z 0-9 _ . : @ -`. */
  readonly requestId: string;
  /**
   * Runs a part of the work, measured under that name. `work` gets the trace for its own parts. Left out where nobody
   * measures.
   */
  readonly span?: <T>(name: string, work: (part: Trace) => Promise<T>) => Promise<T>;
}

const current = new AsyncLocalStorage<Trace>();

/** Runs `work`, and everything that it calls, as part of `trace`. */
export const withTrace = <T>(trace: Trace, work: () => T): T => current.run(trace, work);

export const currentTrace = (): Trace | undefined => current.getStore();

/** Runs `work` as a part of that name of the current trace. */
export function inSpan<T>(name: string, work: () => Promise<T>): Promise<T> {
  const span = current.getStore()?.span;
  return span === undefined ? work() : span(name, (trace) => current.run(trace, work));
}

/** The same object, but each call of a method becomes a part of the current trace, named `<name>.<method>`. */
export function traced<S extends object>(name: string, object: S): S {
  const methods = Object.entries(object).map(([key, method]: [string, unknown]): [string, unknown] => {
    if (typeof method !== 'function') return [key, method];
    const call = method as (...args: unknown[]) => Promise<unknown>;
    return [key, (...args: unknown[]) => inSpan(`${name}.${key}`, () => call(...args))];
  });
  return { ...object, ...(Object.fromEntries(methods) as Partial<S>) };
}
