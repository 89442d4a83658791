import type { EngineContext } from '../context.ts';

/** Runs a kind of work on sandboxes at most once at a time for each: callers that want it meanwhile share one run. */
export function sharedWork<T>(): (context: EngineContext, id: string, work: () => Promise<T>) => Promise<T> {
  const underWay = new WeakMap<EngineContext, Map<string, Promise<T>>>();
  return (context, id, work) => {
    const all = underWay.get(context) ?? new Map<string, Promise<T>>();
    underWay.set(context, all);
    const begin = async (): Promise<T> => {
      try {
        return await work();
      } finally {
        all.delete(id);
      }
    };
    const shared = all.get(id) ?? begin();
    all.set(id, shared);
    return shared;
  };
}
