import { readFileSync } from 'node:fs';
import type { SandboxInfo } from '@novasandbox/protocol';
import { availableMb } from '../host-memory.ts';
import type { BenchContext, Measure } from '../measure.ts';
import { exec, sandbox } from '../sandboxes.ts';
import { summarise, timed } from '../statistics.ts';

/** The measured sandbox writes so much besides what its guest has written since it was made. */
const writtenMb = 42;
const togetherMb = 50;

/** A sandbox with 50 MB of memory that its template does not have. */
async function dirtySandbox({ engine, templateId }: BenchContext): Promise<SandboxInfo & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const box = undo.use(await sandbox(engine, { templateId }));
  await exec(engine, box.id, ['dd', 'if=/dev/urandom', 'of=/dev/shm/data', 'bs=1M', `count=${writtenMb}`]);
  const held = undo.move();
  return { ...box, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function childrenOf({ engine, signal }: BenchContext, id: string, count: number): Promise<string[]> {
  const results = await engine.snapshots.fork(id, { count }, { signal });
  return results.map(({ sandbox: child, error }) => {
    if (child === null) throw error ?? new Error('a fork resolves to a child or an error');
    return child.id;
  });
}

export const fork: Measure = {
  id: 'fork',
  title: 'Forks',
  async run(context) {
    const { engine, quick, templateId, report, progress } = context;
    await using parent = await dirtySandbox(context);
    const clones: number[] = [];
    const called: number[] = [];
    const whole: number[] = [];
    for (let round = 0; round < (quick ? 2 : 15); round++) {
      progress(`child ${round + 1}`);
      const cloneAt = performance.now();
      const clone = await engine.sandboxes.create({ templateId });
      await exec(engine, clone.id, ['true']);
      clones.push(performance.now() - cloneAt);
      await engine.sandboxes.remove(clone.id, { force: true });
      const startedAt = performance.now();
      const [child = ''] = await childrenOf(context, parent.id, 1);
      called.push(performance.now() - startedAt);
      await exec(engine, child, ['true']);
      whole.push(performance.now() - startedAt);
      await engine.sandboxes.remove(child, { force: true });
    }
    const [plain, returned, first] = [summarise(clones), summarise(called), summarise(whole)];
    report({ name: 'create -> first exec reply, in turns with forks', unit: 'ms', value: plain.p50, summary: plain });
    report({ name: `fork at ${togetherMb} MB -> its return`, unit: 'ms', value: returned.p50, summary: returned });
    const name = `fork at ${togetherMb} MB -> first exec reply of the child`;
    report({ name, unit: 'ms', value: first.p50, summary: first, budget: 250 });
    await atOnce(context, parent.id);
  },
};

/** Many children of one instant: how long they take together, and the memory that the host has less. */
async function atOnce(context: BenchContext, parent: string): Promise<void> {
  const { engine, quick, report, progress, vmmPid } = context;
  const count = quick ? 4 : 20;
  const times: number[] = [];
  const memory: number[] = [];
  const own: number[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    progress(`${count} at once`);
    const before = availableMb();
    let children: string[] = [];
    times.push(
      await timed(async () => {
        children = await childrenOf(context, parent, count);
        await Promise.all(children.map((id) => exec(engine, id, ['true'])));
      }),
    );
    memory.push((before - availableMb()) / count);
    for (const id of children) own.push(privateMb(await vmmPid(id)));
    await Promise.all(children.map((id) => engine.sandboxes.remove(id, { force: true })));
  }
  const [took, each, alone] = [summarise(times), summarise(memory), summarise(own)];
  const name = `${count} forks at once, each having run a command`;
  report({ name, unit: 'ms', value: took.p50, summary: took, ...(quick ? {} : { budget: 5000 }) });
  report({ name: `memory per fork, ${count} at once`, unit: 'MB', value: each.p50, summary: each, budget: 25 });
  report({ name: 'of it what no other process shares', unit: 'MB', value: alone.p50, summary: alone });
}

/** Memory that only this process has; what other programs of the host do has no effect on it. */
function privateMb(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].map(([, kb]) => Number(kb));
  return kilobytes.reduce((total, kb) => total + kb, 0) / 1024;
}

export const snapshot: Measure = {
  id: 'snapshot',
  title: 'Snapshots',
  async run(context) {
    const { engine, quick, report, vmmPid, signal } = context;
    await using box = await dirtySandbox(context);
    const stopped: number[] = [];
    const whole: number[] = [];
    const sizes: number[] = [];
    for (let round = 0; round < (quick ? 2 : 15); round++) {
      const dirty = dirtyBytes(await vmmPid(box.id));
      const startedAt = performance.now();
      const { id, memoryBytes, stoppedMs } = await engine.snapshots.take(box.id, {}, { signal });
      whole.push(performance.now() - startedAt);
      stopped.push(stoppedMs);
      sizes.push((memoryBytes / dirty) * 100);
      await engine.snapshots.remove(id);
    }
    const [still, took, size] = [summarise(stopped), summarise(whole), summarise(sizes)];
    const name = `snapshot or fork at ${togetherMb} MB: the sandbox stands still`;
    report({ name, unit: 'ms', value: still.p50, summary: still, budget: 100 });
    report({ name: `snapshot at ${togetherMb} MB`, unit: 'ms', value: took.p50, summary: took });
    report({
      name: "size of a snapshot's memory, part of the changed pages",
      unit: '%',
      value: size.p50,
      summary: size,
      budget: 120,
    });
  },
};

/** Guest memory that differs from the template's: the anonymous pages of the VMM's mapping of that file. */
function dirtyBytes(pid: number): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const memory = mappings.filter((mapping) => /^.*\/ram$/m.test(mapping.split('\n')[0] ?? ''));
  const kilobytes = memory.map((mapping) => Number(/^Anonymous:\s+(\d+)/m.exec(mapping)?.[1] ?? Number.NaN));
  return kilobytes.reduce((total, kb) => total + kb, 0) * 1024;
}

export const hibernated: Measure = {
  id: 'hibernated',
  title: 'Hibernation',
  async run(context) {
    const { engine, quick, report, signal } = context;
    await using box = await dirtySandbox(context);
    const asleep: number[] = [];
    const first: number[] = [];
    const whole: number[] = [];
    for (let round = 0; round < (quick ? 2 : 15); round++) {
      asleep.push(await timed(() => engine.sandboxes.hibernate(box.id, {}, { signal })));
      const startedAt = performance.now();
      await engine.sandboxes.resume(box.id, { signal });
      await engine.exec.ping(box.id);
      first.push(performance.now() - startedAt);
      await exec(engine, box.id, ['true']);
      whole.push(performance.now() - startedAt);
    }
    const [away, back, ran] = [summarise(asleep), summarise(first), summarise(whole)];
    report({ name: `hibernate at ${togetherMb} MB`, unit: 'ms', value: away.p50, summary: away });
    report({ name: 'hibernated -> first reply', unit: 'ms', value: back.p50, summary: back, budget: 250 });
    report({ name: 'hibernated -> first exec reply', unit: 'ms', value: ran.p50, summary: ran });
  },
};
