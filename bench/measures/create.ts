import { parse, sandboxConfigSchema } from '@novasandbox/protocol';
import type { Measure } from '../measure.ts';
import { exec, sandbox } from '../sandboxes.ts';
import { repeat, summarise, timed } from '../statistics.ts';

export const config: Measure = {
  id: 'config',
  title: 'Config',
  async run({ report }) {
    const rounds = 1000;
    const total = await timed(async () => {
      for (let round = 0; round < rounds; round++)
        parse(sandboxConfigSchema, { templateId: 'base', memoryMb: 256, labels: { round: String(round) } }, 'config');
    });
    report({ name: 'create a config', unit: 'ms', value: total / rounds, budget: 1 });
  },
};

export const coldBoot: Measure = {
  id: 'cold-boot',
  title: 'Cold boot',
  async run({ engine, templateId, quick, report }) {
    const values = await repeat(quick ? 1 : 3, async () => {
      // An extra word on the kernel command line rules out the snapshot.
      await using _ = await sandbox(engine, { templateId, kernelArgs: 'nova.bench=1' });
    });
    const summary = summarise(values);
    report({ name: 'create -> first reply, cold boot, and removal', unit: 'ms', value: summary.p50, summary });
  },
};

export const clone: Measure = {
  id: 'clone',
  title: 'Clone',
  async run({ engine, templateId, quick, report }) {
    const first: number[] = [];
    const whole: number[] = [];
    const remove: number[] = [];
    // Creates the snapshot if there is none.
    {
      await using _ = await sandbox(engine, { templateId });
    }
    for (let round = 0; round < (quick ? 3 : 25); round++) {
      const startedAt = performance.now();
      const { id, metadata } = await engine.sandboxes.create({ templateId });
      if (metadata.bootKind !== 'snapshot') throw new Error(`expected a clone, got ${metadata.bootKind}`);
      first.push(performance.now() - startedAt);
      await exec(engine, id, ['true']);
      whole.push(performance.now() - startedAt);
      remove.push(await timed(() => engine.sandboxes.remove(id, { force: true })));
    }
    const [a, b, c] = [summarise(first), summarise(whole), summarise(remove)];
    report({ name: 'create -> first reply, clone', unit: 'ms', value: a.p50, summary: a });
    report({ name: 'create -> first exec reply, clone', unit: 'ms', value: b.p50, summary: b, budget: 250 });
    report({ name: 'remove', unit: 'ms', value: c.p50, summary: c });
  },
};

export const prewarmed: Measure = {
  id: 'prewarmed',
  title: 'Clone that has run a command and was stopped',
  async run({ engine, templateId, quick, report }) {
    const values: number[] = [];
    for (let round = 0; round < (quick ? 2 : 10); round++) {
      await using box = await sandbox(engine, { templateId });
      await exec(engine, box.id, ['true']);
      await engine.sandboxes.pause(box.id);
      values.push(
        await timed(async () => {
          await engine.sandboxes.resume(box.id);
          await exec(engine, box.id, ['true']);
        }),
      );
    }
    const summary = summarise(values);
    report({ name: 'resume a pre-warmed clone -> exec reply', unit: 'ms', value: summary.p50, summary, budget: 60 });
  },
};

export const tenAtOnce: Measure = {
  id: 'ten',
  title: 'Ten at once',
  async run({ engine, templateId, quick, report }) {
    const values: number[] = [];
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      const ids: string[] = [];
      values.push(
        await timed(() =>
          Promise.all(
            Array.from({ length: 10 }, async () => {
              const { id } = await engine.sandboxes.create({ templateId });
              ids.push(id);
              await exec(engine, id, ['true']);
            }),
          ),
        ),
      );
      await Promise.all(ids.map((id) => engine.sandboxes.remove(id, { force: true })));
    }
    const summary = summarise(values);
    report({
      name: 'ten created at once, each having run a command',
      unit: 'ms',
      value: summary.p50,
      summary,
      budget: 3000,
    });
  },
};
