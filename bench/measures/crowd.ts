import { availableMb } from '../host-memory.ts';
import type { BenchContext, Measure } from '../measure.ts';
import { exec } from '../sandboxes.ts';
import { summarise, timed, type Summary } from '../statistics.ts';

/** Creates beside many idle sandboxes, and twice as many that all answer. */
export const crowd: Measure = {
  id: 'crowd',
  title: 'Creates beside many',
  async run(context) {
    const { engine, quick, report, progress } = context;
    const [many, most] = quick ? [5, 10] : [100, 200];
    const before = availableMb();
    const ids: string[] = [];
    const grow = async (count: number): Promise<void> => {
      while (ids.length < count) {
        ids.push(await create(context));
        progress(`${ids.length} of ${count} alive`);
      }
    };
    try {
      await grow(1);
      const alone = await creates(context);
      report({ name: 'create -> first exec reply, 1 alive', unit: 'ms', value: alone.p50, summary: alone });
      await grow(many);
      const beside = await creates(context);
      report({ name: `the same, ${many} alive`, unit: 'ms', value: beside.p50, summary: beside });
      const part = (beside.p50 / alone.p50) * 100;
      report({ name: `the same, ${many} alive, part of 1 alive`, unit: '%', value: part, budget: 120 });
      await grow(most);
      const all = await timed(() => Promise.all(ids.map((id) => exec(engine, id, ['true']))));
      report({ name: `a command in each of ${most} at once`, unit: 'ms', value: all });
      report({ name: `memory per clone, ${most} alive`, unit: 'MB', value: (before - availableMb()) / most });
    } finally {
      await Promise.all(ids.map((id) => engine.sandboxes.remove(id, { force: true })));
    }
  },
};

async function create({ engine, templateId }: BenchContext): Promise<string> {
  const { id } = await engine.sandboxes.create({ templateId, memoryMb: 256 });
  await exec(engine, id, ['true']);
  return id;
}

async function creates(context: BenchContext): Promise<Summary> {
  const times: number[] = [];
  for (let round = 0; round < (context.quick ? 2 : 15); round++) {
    let id = '';
    times.push(await timed(async () => (id = await create(context))));
    await context.engine.sandboxes.remove(id, { force: true });
  }
  return summarise(times);
}
