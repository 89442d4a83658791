import { stat } from 'node:fs/promises';
import type { Measure } from '../measure.ts';
import { runsToItsEnd } from '../programs.ts';
import { sandbox } from '../sandboxes.ts';
import { repeat, summarise } from '../statistics.ts';

export const command: Measure = {
  id: 'command',
  title: 'The command line',
  async run(context) {
    const { quick, report, templateId } = context;
    const argv = ['./nova', 'run', '--template', templateId, '--', 'true'];
    if (!(await runsToItsEnd(context, argv))) throw new Error(`${argv.join(' ')} failed`);
    const summary = summarise(await repeat(quick ? 2 : 10, () => runsToItsEnd(context, argv)));
    report({ name: './nova run -- true, as a process', unit: 'ms', value: summary.p50, summary, budget: 600 });
    const help = summarise(await repeat(quick ? 2 : 10, () => runsToItsEnd(context, ['./nova', '--version'])));
    report({ name: './nova --version, as a process', unit: 'ms', value: help.p50, summary: help });
  },
};

export const others: Measure = {
  id: 'others',
  title: 'Other sandboxes in the same run',
  async run(context) {
    const { quick, report } = context;
    const candidates = {
      'runsc do true': ['runsc', '--rootless', '--network=none', 'do', 'true'],
      'bwrap true': ['bwrap', '--ro-bind', '/', '/', '--unshare-all', 'true'],
    };
    for (const [name, argv] of Object.entries(candidates)) {
      if (!(await runsToItsEnd(context, argv))) continue;
      const summary = summarise(await repeat(quick ? 2 : 10, () => runsToItsEnd(context, argv)));
      report({ name, unit: 'ms', value: summary.p50, summary, note: 'no kernel of its own' });
    }
  },
};

export const agent: Measure = {
  id: 'agent',
  title: 'Guest agent',
  async run({ engine, templateId, report, agentBinary }) {
    report({ name: 'agent on disk', unit: 'kB', value: (await stat(await agentBinary())).size / 1024, budget: 2048 });
    await using box = await sandbox(engine, { templateId });
    const status = await engine.files.read(box.id, '/proc/1/status');
    let text = '';
    for await (const piece of status.bytes) text += Buffer.from(piece).toString('utf8');
    report({
      name: 'agent resident',
      unit: 'kB',
      value: Number(/^VmRSS:\s+(\d+)/m.exec(text)?.[1] ?? Number.NaN),
      budget: 3072,
    });
  },
};
