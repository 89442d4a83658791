import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { availableMb } from '../host-memory.ts';
import type { BenchContext, Measure } from '../measure.ts';

const idleMs = 5000;

async function cpuUs({ engine }: BenchContext, ids: readonly string[]): Promise<number> {
  const stats = await Promise.all(ids.map((id) => engine.sandboxes.stats(id)));
  return stats.reduce((total, { host }) => total + host.cpuUsageUs, 0);
}

/**
 * Memory and CPU of idle clones. The figures of a single VMM overstate, so the memory that the host loses over many is
 * measured.
 */
export const density: Measure = {
  id: 'density',
  title: 'Many alive',
  async run(context) {
    const { engine, quick, templateId, report, progress, signal } = context;
    for (const count of quick ? [1, 5] : [1, 10, 50]) {
      const before = availableMb();
      const ids: string[] = [];
      try {
        for (let index = 0; index < count; index++) {
          ids.push((await engine.sandboxes.create({ templateId, memoryMb: 256 })).id);
          progress(`${ids.length} of ${count} alive`);
        }
        for (const id of ids) await engine.exec.ping(id);
        const used = before - availableMb();
        report({
          name: `memory per clone, ${count} alive`,
          unit: 'MB',
          value: used / count,
          ...(count === 50 ? { budget: 35 } : {}),
        });
        const busy = await cpuUs(context, ids);
        await delay(idleMs, undefined, { signal });
        const spent = (await cpuUs(context, ids)) - busy;
        report({
          name: `CPU per idle clone, ${count} alive`,
          unit: '%',
          value: (spent / 1000 / idleMs / count) * 100,
          note: 'of one core; asking for it is included',
        });
        if (count > 1) continue;
        report({
          name: 'CPU of a paused clone',
          unit: '%',
          value: await pausedCpu(context, ids[0] ?? ''),
          budget: 0.1,
        });
      } finally {
        await Promise.all(ids.map((id) => engine.sandboxes.remove(id, { force: true })));
      }
    }
  },
};

async function pausedCpu(context: BenchContext, id: string): Promise<number> {
  const ticks = (pid: number): number => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return (fields[11] ?? 0) + (fields[12] ?? 0);
  };
  const pid = await context.vmmPid(id);
  await context.engine.sandboxes.pause(id);
  const before = ticks(pid);
  await delay(idleMs, undefined, { signal: context.signal });
  return ((ticks(pid) - before) * 10 * 100) / idleMs;
}
