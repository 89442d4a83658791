import { AsyncLocalStorage } from 'node:async_hooks';

/** What the work under way belongs to. It goes along with the calls, not as an argument: what is asked for does not depend on it. */
export interface Trace {
  /** Names the request in logs, the guest's too: 1 to 128 of the characters `A-Z a-z 0-9 _ . : @ -`. */
  readonly requestId: string;
  /** Runs a part of the work, measured under that name; `work` is told the trace of its own parts. Left out where nobody measures. */
  readonly span?: <T>(name: string, work: (part: Trace) => Promise<T>) => Promise<T>;
}

const current = new AsyncLocalStorage<Trace>();

/** Runs `work`, and all that it calls, as part of `trace`. */
export const withTrace = <T>(trace: Trace, work: () => T): T => current.run(trace, work);

export const currentTrace = (): Trace | undefined => current.getStore();

/** The same object; each call of a method is a part of the trace that it is made in, named `<name>.<method>`. */
export function traced<S extends object>(name: string, object: S): S {
  const methods = Object.entries(object).map(([key, method]: [string, unknown]): [string, unknown] => {
    if (typeof method !== 'function') return [key, method];
    const part = `${name}.${key}`;
    const call = method as (...args: unknown[]) => Promise<unknown>;
    return [
      key,
      (...args: unknown[]) => {
        const span = current.getStore()?.span;
        return span === undefined ? call(...args) : span(part, (trace) => current.run(trace, () => call(...args)));
      },
    ];
  });
  return { ...object, ...(Object.fromEntries(methods) as Partial<S>) };
}
