import { toNovaError, type PoolDiscard, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import type { AskedShape, ParkedGuest } from '../ports/warm-pool.ts';
import { startRounds } from '../rounds.ts';
import { deleteSandbox } from '../sandbox/delete.ts';
import { pooledConfig } from '../sandbox/pool-fields.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { createDemand, keptAfterMs, type Demand } from './demand.ts';
import { makePooledClone, recipeFor, type CloneRecipe } from './fill.ts';
import { createHealth, type Health } from './health.ts';
import { hasRoomFor, hostMemory, isPressed, type HostMemory } from './host-memory.ts';
import type { PoolSettings } from './settings.ts';

const lookEveryMs = 250;
/** A clone is made once no sandbox has been made for this time, so that the user of the last one is not slowed, ms. */
const quietMs = 500;
/** After this time it is made in any case: creates that never pause need the pool too, ms. */
const waitsAtMostMs = 3000;
/** Shapes that are remembered. The one that was asked for longest ago is forgotten. */
const maxShapes = 32;
/** How often the image and the golden snapshot of a shape are looked for where they are missing, ms. */
const recipeAgainMs = 10_000;

/** A shape of sandboxes that the pool looks after. */
export interface KeptShape {
  readonly kind: string;
  readonly config: SandboxConfig;
  readonly memoryMb: number;
  readonly vcpus: number;
  shape: string;
  /** The number of clones that are wanted without any demand. */
  readonly least: number;
  readonly demand: Demand;
  readonly health: Health;
  /** Until then nothing is made, because its image or its golden snapshot was missing. */
  lookAgainAtMs: number;
  hits: number;
  misses: number;
}

interface KeptClone {
  readonly id: string;
  readonly kind: string;
  readonly shape: string;
  readonly parked: ParkedGuest;
}

export interface KeeperEvents {
  made(shape: KeptShape, id: string): void;
  discarded(shape: KeptShape | null, reason: PoolDiscard, id: string, problem: string | null): void;
}

/** Keeps clones ready, one after the other and when nothing else is being made. Disposing ends them all. */
export interface Keeper extends AsyncDisposable {
  readonly shapes: readonly KeptShape[];
  wanted(shape: KeptShape): number;
  readyOf(shape: KeptShape): number;
  creating(): Disposable;
  unpark(id: string): ParkedGuest | null;
  asked(asked: AskedShape, how: 'hit' | 'miss'): void;
  failed(asked: AskedShape, problem: string): void;
  /** Ends all clones that nobody has taken; returns how many. New ones are made when they are asked for. */
  drain(): Promise<number>;
}

export interface KeeperMeans {
  readonly memory?: () => HostMemory;
  readonly now?: () => number;
}

export function createKeeper(
  context: EngineContext,
  settings: PoolSettings,
  events: KeeperEvents,
  { memory = hostMemory, now = () => performance.now() }: KeeperMeans = {},
): Keeper {
  const shapes = new Map<string, KeptShape>();
  const clones = new Map<string, KeptClone>();
  const closing = new AbortController();
  /** Sandboxes that clones are kept ready for, and whose shape is not known yet. */
  let unknown = settings.ready.map((config) => ({ config: pooledConfig(config), lookAgainAtMs: 0 }));
  let beingMade = 0;
  let lastMadeAtMs = -Infinity;
  let waitsSinceMs: number | null = null;
  /** While the pool is drained nothing is added to it. */
  let drained = false;

  const wanted = ({ demand, least }: KeptShape): number =>
    drained ? 0 : Math.min(settings.max, settings.size === 'auto' ? demand.wanted(now(), least) : Math.max(least, 0));
  const readyOf = ({ shape }: KeptShape): number =>
    [...clones.values()].filter((clone) => clone.shape === shape).length;

  const remember = (asked: AskedShape, least: number): KeptShape => {
    const { kind, config, shape, memoryMb, vcpus } = asked;
    const known = shapes.get(kind);
    if (known !== undefined) {
      known.shape = shape;
      return known;
    }
    if (shapes.size >= maxShapes) {
      const [oldest] = [...shapes.values()]
        .filter((each) => each.least === 0)
        .toSorted((a, b) => (a.demand.lastAskedMs ?? 0) - (b.demand.lastAskedMs ?? 0));
      if (oldest !== undefined) shapes.delete(oldest.kind);
    }
    const made: KeptShape = {
      ...{ kind, config: pooledConfig(config), memoryMb, vcpus, shape },
      ...{ least, hits: 0, misses: 0, lookAgainAtMs: 0 },
      demand: createDemand(),
      health: createHealth(),
    };
    shapes.set(kind, made);
    return made;
  };

  const release = async ({ parked, id }: KeptClone): Promise<void> => {
    clones.delete(id);
    await parked.agent.close().catch(() => undefined);
    parked.machine.release();
    context.store.releaseLease(id, parked.channel);
  };
  const discard = async (clone: KeptClone, reason: PoolDiscard, problem: string | null = null): Promise<boolean> => {
    const { id, kind, parked } = clone;
    // Otherwise somebody has taken it, and has a session of its own.
    if (context.store.withdrawFromPool(id) === null) {
      await release(clone);
      return false;
    }
    clones.delete(id);
    events.discarded(shapes.get(kind) ?? null, reason, id, problem);
    await parked.machine.stop();
    await parked.agent[Symbol.asyncDispose]();
    await deleteSandbox(context, id);
    return true;
  };

  /** Drops clones that cannot or should not be handed out. */
  const inspect = async (): Promise<void> => {
    if (clones.size === 0) return;
    const waiting = new Set(
      context.store.listSandboxes(['creating']).flatMap(({ id, pool }) => (pool === null ? [] : id)),
    );
    const pressed = isPressed(memory());
    for (const clone of clones.values()) {
      const kept = shapes.get(clone.kind);
      if (!waiting.has(clone.id)) await release(clone);
      else if (!isAlive(clone.parked.machine.record)) {
        kept?.health.failed(now(), 'the VMM of a clone has ended');
        await discard(clone, 'vmm_ended', 'its VMM has ended');
      } else if (kept === undefined) await discard(clone, 'unused');
      else if (kept.shape !== clone.shape) await discard(clone, 'outdated');
      else if (pressed) await discard(clone, 'memory');
      else if (isUnused(kept) && readyOf(kept) > wanted(kept)) await discard(clone, 'unused');
    }
  };
  const isUnused = ({ demand }: KeptShape): boolean =>
    settings.size !== 'auto' || demand.lastAskedMs === null || now() - demand.lastAskedMs > keptAfterMs;

  /** Finds out the shapes of the templates that are kept ready as soon as they are built. */
  const learn = async (): Promise<void> => {
    for (const each of unknown) {
      if (now() < each.lookAgainAtMs) continue;
      each.lookAgainAtMs = now() + recipeAgainMs;
      const recipe = await recipeFor(context, each.config, closing.signal);
      if (recipe === null) continue;
      const least = settings.size === 'auto' ? 1 : settings.size;
      const known = shapes.get(recipe.kind);
      shapes.delete(recipe.kind);
      const kept = remember({ ...recipe, ...recipe.plan }, least);
      if (known !== undefined) Object.assign(kept, { ...known, least });
      unknown = unknown.filter((other) => other !== each);
    }
  };

  const mayMake = (): boolean => {
    if (drained || closing.signal.aborted) return false;
    const waitedMs = waitsSinceMs === null ? 0 : now() - waitsSinceMs;
    return waitedMs > waitsAtMostMs || (beingMade === 0 && now() - lastMadeAtMs > quietMs);
  };
  const lacking = (): KeptShape | undefined =>
    clones.size >= settings.max
      ? undefined
      : [...shapes.values()]
          .filter(
            (each) => readyOf(each) < wanted(each) && Math.max(each.health.retryAtMs ?? 0, each.lookAgainAtMs) <= now(),
          )
          .toSorted((a, b) => (b.demand.lastAskedMs ?? 0) - (a.demand.lastAskedMs ?? 0))[0];

  const fill = async (): Promise<void> => {
    const kept = lacking();
    if (kept === undefined) {
      waitsSinceMs = null;
      return;
    }
    waitsSinceMs ??= now();
    if (!mayMake()) return;
    const startedAtMs = now();
    try {
      const recipe = await recipeFor(context, kept.config, closing.signal);
      // The next sandbox of this shape makes what is missing.
      if (recipe === null) {
        kept.lookAgainAtMs = now() + recipeAgainMs;
        return;
      }
      kept.shape = recipe.shape;
      if (!hasRoomFor(recipe.plan.memoryMb, memory())) return;
      await make(kept, recipe);
      kept.demand.refilled(now() - startedAtMs);
    } catch (error) {
      if (closing.signal.aborted) return;
      kept.health.failed(now(), toNovaError(error).message);
      tellInBackground('making a clone for the warm pool', error);
    } finally {
      waitsSinceMs = null;
    }
  };
  const make = async (kept: KeptShape, recipe: CloneRecipe): Promise<void> => {
    const parked = await makePooledClone(context, recipe, { signal: closing.signal });
    const { id } = parked.machine.record;
    clones.set(id, { id, kind: kept.kind, shape: recipe.shape, parked });
    events.made(kept, id);
  };

  const rounds = startRounds(lookEveryMs, async () => {
    try {
      await inspect();
      await learn();
      await fill();
    } catch (error) {
      if (!closing.signal.aborted) tellInBackground('looking after the warm pool', error);
    }
  });
  const discardAll = async (): Promise<number> => {
    const ended = await Promise.all([...clones.values()].map((clone) => discard(clone, 'drained')));
    return ended.filter(Boolean).length;
  };

  return {
    get shapes() {
      return [...shapes.values()];
    },
    wanted,
    readyOf,
    creating() {
      beingMade += 1;
      return {
        [Symbol.dispose]() {
          beingMade -= 1;
          lastMadeAtMs = now();
        },
      };
    },
    unpark(id) {
      const clone = clones.get(id);
      clones.delete(id);
      return clone?.parked ?? null;
    },
    asked(asked, how) {
      drained = false;
      const kept = remember(asked, 0);
      kept.demand.asked(now());
      if (how === 'miss') {
        kept.misses += 1;
        return;
      }
      kept.hits += 1;
      kept.health.handedOut();
    },
    failed: ({ kind }, problem) => shapes.get(kind)?.health.failed(now(), problem),
    async drain() {
      drained = true;
      return discardAll();
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await rounds[Symbol.asyncDispose]();
      await discardAll();
    },
  };
}
