import { parse, sandboxConfigSchema, type PoolDiscard } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { AskedShape, WarmPool } from '../ports/warm-pool.ts';
import type { PoolEvent, PoolOptions, PoolService } from '../services.ts';
import { createKeeper, type Keeper } from './keeper.ts';
import { createCounts } from './statistics.ts';
import { drainPool, poolStatus } from './status.ts';
import type { PoolSettings } from './settings.ts';

export interface Pool {
  /** For those who make sandboxes. */
  readonly creates: WarmPool;
  readonly onEvent: (listen: (event: PoolEvent) => void) => Disposable;
  /** Begins to keep clones ready, where that is wanted. Disposing ends those that nobody has taken. */
  keep(context: EngineContext): AsyncDisposable;
  serviceOf(context: EngineContext): PoolService;
}

const defaultMax = 8;

function settingsOf({ size, max = defaultMax, ready = [{}] }: PoolOptions): PoolSettings {
  return { size, max, ready: ready.map((config) => parse(sandboxConfigSchema, config, 'pool.ready')) };
}

/** The warm pool of an engine: what creates see of it, its keeper, its counts and its service. */
export function createPool(options: PoolOptions = { size: 0 }): Pool {
  const settings = settingsOf(options);
  const keeps = settings.size !== 0 && settings.max > 0;
  const counts = createCounts();
  const listeners = new Set<(event: PoolEvent) => void>();
  let keeper: Keeper | null = null;

  const tell = (event: Pick<PoolEvent, 'type'> & Partial<PoolEvent>): void => {
    const whole = { templateId: null, cloneId: null, reason: null, problem: null, ...event };
    for (const listen of listeners) listen(whole);
  };
  const discarded = (templateId: string | null, reason: PoolDiscard, more: Partial<PoolEvent> = {}): void => {
    counts.discards[reason] += 1;
    tell({ type: 'discarded', templateId, reason, ...more });
  };

  return {
    creates: {
      keeps,
      creating: () => keeper?.creating() ?? { [Symbol.dispose]() {} },
      unpark: (id) => keeper?.unpark(id) ?? null,
      hit(asked) {
        counts.hits += 1;
        keeper?.asked(asked, 'hit');
        tell({ type: 'hit', templateId: asked.config.templateId });
      },
      missed(asked, reason) {
        counts.misses[reason] += 1;
        if (asked !== null) keeper?.asked(asked, 'miss');
        tell({ type: 'missed', templateId: asked?.config.templateId ?? null, reason });
      },
      discarded(asked: AskedShape, reason, error) {
        const problem = error instanceof Error ? error.message : String(error);
        keeper?.failed(asked, problem);
        discarded(asked.config.templateId, reason, { problem });
      },
    },
    onEvent(listen) {
      listeners.add(listen);
      return { [Symbol.dispose]: () => void listeners.delete(listen) };
    },
    keep(context) {
      if (!keeps) return { [Symbol.asyncDispose]: () => Promise.resolve() };
      keeper = createKeeper(context, settings, {
        made({ config: { templateId } }, cloneId) {
          counts.made += 1;
          tell({ type: 'made', templateId, cloneId });
        },
        discarded: (shape, reason, cloneId, problem) =>
          discarded(shape?.config.templateId ?? null, reason, { cloneId, problem }),
      });
      return keeper;
    },
    serviceOf: (context) => ({
      status: async () => poolStatus(context, { settings, keeps, counts, keeper }),
      drain: () => drainPool(context, keeper, (templateId) => discarded(templateId, 'drained')),
    }),
  };
}
