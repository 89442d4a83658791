import { createEngine, type LocalEngine, type PoolEvent, type PoolOptions } from '@novasandbox/engine';
import type { PoolClone, PoolStatus } from '@novasandbox/protocol';
import { eventually } from './eventually.ts';
import { assertNoLeaks } from './leaks.ts';
import { testHome, type TestHome } from './test-home.ts';

export interface PoolUnderTest extends AsyncDisposable {
  readonly engine: LocalEngine;
  readonly home: TestHome;
  /** The events so far. */
  readonly events: readonly PoolEvent[];
  /** Waits until so many clones are ready. */
  readonly ready: (count?: number) => Promise<readonly PoolClone[]>;
}

const filledWithinMs = 120_000;

/** Waits until so many clones of a pool are ready. */
export async function readyClones(status: () => Promise<PoolStatus>, count = 1): Promise<readonly PoolClone[]> {
  let clones: readonly PoolClone[] = [];
  await eventually(
    `${count} clones are ready`,
    async () => {
      clones = (await status()).clones.filter(({ ready }) => ready);
      return clones.length >= count;
    },
    filledWithinMs,
  );
  return clones;
}

/** An engine that keeps clones ready. Disposing removes its sandboxes and then searches for leftovers. */
export async function poolUnderTest(
  pool: PoolOptions = { size: 1 },
  options: Parameters<typeof testHome>[0] = {},
): Promise<PoolUnderTest> {
  const home = await testHome(options);
  // The pool makes clones of what is built.
  {
    await using builder = await createEngine({ home: home.home });
    for (const { templateId = 'base' } of pool.ready ?? [{}]) await builder.templates.build(templateId);
  }
  const engine = await createEngine({ home: home.home, pool });
  const events: PoolEvent[] = [];
  engine.onPoolEvent((event) => void events.push(event));
  return {
    engine,
    home,
    events,
    ready: (count) => readyClones(() => engine.pool.status(), count),
    [Symbol.asyncDispose]: async () => {
      try {
        for (const { id } of await engine.sandboxes.list({ all: true }))
          await engine.sandboxes.remove(id, { force: true });
        await engine.close();
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
}
