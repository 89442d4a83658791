import { sourceOf } from '../http/source.ts';
import type { ProxyLimits } from './limits.ts';

/** Limits connections to the ports of sandboxes, per sandbox and per visitor. */
export interface Visitors {
  /** Counts a connection until disposed; returns null when there are too many. */
  enter(sandboxId: string, address: string | undefined): Disposable | null;
}

export function createVisitors({ perSandbox, perVisitor }: Pick<ProxyLimits, 'perSandbox' | 'perVisitor'>): Visitors {
  const counts = new Map<string, number>();
  const add = (name: string, step: 1 | -1): void => {
    const count = (counts.get(name) ?? 0) + step;
    if (count > 0) counts.set(name, count);
    else counts.delete(name);
  };
  return {
    enter(sandboxId, address) {
      const visitor = `${sandboxId} ${sourceOf(address)}`;
      if ((counts.get(sandboxId) ?? 0) >= perSandbox) return null;
      if (perVisitor > 0 && (counts.get(visitor) ?? 0) >= perVisitor) return null;
      add(sandboxId, 1);
      add(visitor, 1);
      let inside = true;
      return {
        [Symbol.dispose]: () => {
          if (!inside) return;
          inside = false;
          add(sandboxId, -1);
          add(visitor, -1);
        },
      };
    },
  };
}
