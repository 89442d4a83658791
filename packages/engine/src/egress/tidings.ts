import type { Decision } from '@novasandbox/protocol';
import type { Question, Tiding } from '../ports/egress.ts';

/** How long denials are collected before they are told, ms. */
const collectMs = 1000;
/** How many denials of one sandbox are told of singly: so many at first, and one more in each such time, ms. */
const toldAtOnce = 20;
const oneMoreEachMs = 10_000;
/** How many tidings may wait for one who reads slowly; the oldest are dropped then. */
const waiting = 1000;

/** The news of this process that others want to know. A sandbox that floods it is told of by its counts alone. */
export interface Tidings {
  asked(question: Question): void;
  denied(decision: Decision): void;
  forget(sandbox: string): void;
  /** Tidings from now on, until `signal` fires. */
  follow(signal: AbortSignal): AsyncIterable<Tiding>;
}

interface Denials {
  readonly counts: Map<Decision['code'], number>;
  readonly shown: Map<string, { readonly decision: Decision; count: number }>;
  more: number;
}

interface Reader {
  readonly queue: Tiding[];
  wake: () => void;
}

export function createTidings(now: () => number = () => performance.now()): Tidings {
  const readers = new Set<Reader>();
  const collected = new Map<string, Denials>();
  const budgets = new Map<string, { left: number; atMs: number }>();
  let timer: NodeJS.Timeout | undefined;

  const tell = (tiding: Tiding): void => {
    for (const { queue, wake } of readers) {
      queue.push(tiding);
      if (queue.length > waiting) queue.shift();
      wake();
    }
  };
  /** Takes one of the sandbox's places; false where it has none left. */
  const takePlace = (sandbox: string): boolean => {
    const atMs = now();
    const before = budgets.get(sandbox) ?? { left: toldAtOnce, atMs };
    const left = Math.min(toldAtOnce, before.left + (atMs - before.atMs) / oneMoreEachMs);
    budgets.set(sandbox, { left: left < 1 ? left : left - 1, atMs });
    return left >= 1;
  };
  const flush = (): void => {
    timer = undefined;
    for (const [sandbox, { counts, shown, more }] of collected)
      tell({
        kind: 'denied',
        sandbox,
        counts: [...counts].map(([code, count]) => ({ code, count })),
        denials: [...shown.values()],
        more,
      });
    collected.clear();
  };
  return {
    asked: (question) => tell({ kind: 'asked', question }),
    denied(decision) {
      if (readers.size === 0) return;
      const { sandbox, code, host, address, port } = decision;
      let denials = collected.get(sandbox);
      if (denials === undefined) {
        denials = { counts: new Map(), shown: new Map(), more: 0 };
        collected.set(sandbox, denials);
      }
      denials.counts.set(code, (denials.counts.get(code) ?? 0) + 1);
      const key = JSON.stringify([code, host ?? address, port]);
      const shown = denials.shown.get(key);
      if (shown !== undefined) shown.count += 1;
      else if (takePlace(sandbox)) denials.shown.set(key, { decision, count: 1 });
      else denials.more += 1;
      timer ??= setTimeout(flush, collectMs);
    },
    forget: (sandbox) => void budgets.delete(sandbox),
    async *follow(signal) {
      const reader: Reader = { queue: [], wake: () => undefined };
      readers.add(reader);
      const onAbort = (): void => reader.wake();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        while (!signal.aborted) {
          const next = reader.queue.shift();
          if (next !== undefined) {
            yield next;
            continue;
          }
          const { promise, resolve } = Promise.withResolvers<void>();
          reader.wake = resolve;
          await promise;
        }
      } finally {
        readers.delete(reader);
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
