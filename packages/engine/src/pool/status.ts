import type { PoolClone, PoolShape, PoolStatus } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { sweep } from '../sandbox/reconcile.ts';
import type { KeptShape, Keeper } from './keeper.ts';
import { endClone } from './leave.ts';
import type { PoolCounts } from './statistics.ts';
import type { PoolSettings } from './settings.ts';

export interface PoolParts {
  readonly settings: PoolSettings;
  readonly keeps: boolean;
  readonly counts: PoolCounts;
  readonly keeper: Keeper | null;
}

/** The clones in the store, whoever keeps them, and what this engine's keeper knows. */
export async function poolStatus(
  context: EngineContext,
  { settings, keeps, counts, keeper }: PoolParts,
): Promise<PoolStatus> {
  await sweep(context, ['creating']);
  return {
    keeps,
    size: settings.size,
    max: settings.max,
    clones: pooled(context).map(toClone),
    shapes: keeper === null ? [] : keeper.shapes.map((shape) => toShape(keeper, shape)),
    made: counts.made,
    hits: counts.hits,
    misses: { ...counts.misses },
    discards: { ...counts.discards },
  };
}

const pooled = ({ store }: EngineContext): SandboxRecord[] =>
  store.listSandboxes(['creating']).filter(({ pool }) => pool !== null);

function toClone({ id, config, pool, memoryMb, vcpus, createdAtMs }: SandboxRecord): PoolClone {
  const expiresAtMs = pool?.expiresAtMs ?? null;
  return {
    id,
    templateId: config.templateId,
    shape: pool?.shape ?? '',
    ready: pool?.ready ?? false,
    memoryMb,
    vcpus,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

function toShape(keeper: Keeper, shape: KeptShape): PoolShape {
  const { config, health, hits, misses, memoryMb, vcpus } = shape;
  const waitsMs = health.retryAtMs === null ? null : Math.max(0, health.retryAtMs - performance.now());
  return {
    templateId: config.templateId,
    shape: shape.shape,
    memoryMb,
    vcpus,
    enableNetwork: config.enableNetwork,
    wanted: keeper.wanted(shape),
    ready: keeper.readyOf(shape),
    hits,
    misses,
    failures: health.failures,
    problem: health.problem,
    retryAt: waitsMs === null ? null : new Date(Date.now() + waitsMs).toISOString(),
  };
}

/** Ends the clones of this engine, and those whose keeper is another process, unless somebody takes them first. */
export async function drainPool(
  context: EngineContext,
  keeper: Keeper | null,
  onEnd: (templateId: string) => void,
): Promise<number> {
  let ended = (await keeper?.drain()) ?? 0;
  for (const { id, pool, config } of pooled(context)) {
    // One that is being made is its maker's.
    if (pool?.ready !== true || !(await endClone(context, id))) continue;
    onEnd(config.templateId);
    ended += 1;
  }
  return ended;
}
