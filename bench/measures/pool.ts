import { setTimeout as delay } from 'node:timers/promises';
import { createEngine, type Engine } from '@novasandbox/engine';
import type { BenchContext, Measure } from '../measure.ts';
import { runsToItsEnd } from '../programs.ts';
import { exec } from '../sandboxes.ts';
import { repeat, summarise, timed } from '../statistics.ts';

const lookEveryMs = 10;
const gvisor = ['runsc', '--rootless', '--network=none', 'do', 'true'];

/**
 * Sandboxes from the warm pool, in turns with the same command in gVisor's sandbox, so that other load affects both
 * equally.
 */
export const pool: Measure = {
  id: 'pool',
  title: 'Warm pool',
  async run(context) {
    const { home, quick, templateId, report, progress, signal } = context;
    await using engine = await createEngine({ home, pool: { size: 1, ready: [{ templateId }] } });
    const hasGvisor = await runsToItsEnd(context, gvisor);
    if (!hasGvisor) progress('runsc is not available');
    const first: number[] = [];
    const others: number[] = [];
    for (let round = 0; round < (quick ? 2 : 20); round++) {
      progress(`waiting for clone ${round + 1}`);
      await until(engine, signal, (ready) => ready);
      const { hits } = await engine.pool.status();
      let id = '';
      first.push(
        await timed(async () => {
          ({ id } = await engine.sandboxes.create({ templateId }, { signal }));
          await exec(engine, id, ['true']);
        }),
      );
      if ((await engine.pool.status()).hits !== hits + 1) throw new Error('the sandbox did not come from the pool');
      await engine.sandboxes.remove(id, { force: true });
      if (hasGvisor) others.push(...(await repeat(1, () => runsToItsEnd(context, gvisor))));
    }
    const own = summarise(first);
    report({ name: 'pool: create -> first exec reply', unit: 'ms', value: own.p50, summary: own });
    await besideRefills(context, engine);
    if (!hasGvisor) return;
    const theirs = summarise(others);
    report({ name: 'runsc do true, in turns with it', unit: 'ms', value: theirs.p50, summary: theirs });
    report({
      name: 'pool, part of runsc do true',
      unit: '%',
      value: (own.p50 / theirs.p50) * 100,
      budget: await partOfGvisors(engine),
    });
  },
};

/** Another shape, which the pool has no clone of. */
const otherMb = 300;

/** Creates of another shape, in turns while the pool is full and while it makes a clone. */
async function besideRefills(
  { quick, templateId, report, progress, signal }: BenchContext,
  engine: Engine,
): Promise<void> {
  const create = async (memoryMb?: number): Promise<void> => {
    const { id } = await engine.sandboxes.create({ templateId, memoryMb }, { signal });
    await exec(engine, id, ['true']);
    await engine.sandboxes.remove(id, { force: true });
  };
  await create(otherMb);
  const full: number[] = [];
  const refilled: number[] = [];
  for (let round = 0; round < (quick ? 2 : 15); round++) {
    progress(`creates beside refills, round ${round + 1}`);
    await until(engine, signal, (ready) => ready);
    full.push(await timed(() => create(otherMb)));
    await until(engine, signal, (ready) => ready);
    await create();
    await until(engine, signal, (ready) => !ready);
    refilled.push(await timed(() => create(otherMb)));
  }
  const [alone, beside] = [summarise(full), summarise(refilled)];
  report({ name: 'create, exec and remove, the pool is full', unit: 'ms', value: alone.p50, summary: alone });
  report({ name: 'the same, the pool makes a clone', unit: 'ms', value: beside.p50, summary: beside });
}

/** Waits until the pool has a clone that is ready, or one that is being made. */
async function until(engine: Engine, signal: AbortSignal, wanted: (ready: boolean) => boolean): Promise<void> {
  while (!(await engine.pool.status()).clones.some(({ ready }) => wanted(ready)))
    await delay(lookEveryMs, undefined, { signal });
}

/** QEMU 10 and later run a warm command twice as fast as 7.2 does (docs/pool.md). */
async function partOfGvisors(engine: Engine): Promise<number> {
  const qemu = (await engine.hypervisors()).find(({ name }) => name === 'qemu');
  return Number.parseInt(qemu?.probe.version ?? '', 10) >= 10 ? 10 : 30;
}
