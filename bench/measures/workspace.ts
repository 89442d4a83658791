import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Sandbox } from 'novasandbox';
import type { Measure } from '../measure.ts';
import { exec, sandbox } from '../sandboxes.ts';
import { repeat, summarise, timed } from '../statistics.ts';

const fileCount = 20_000;
const filesPerFolder = 50;
/** About the median size of a source file. */
const fileBytes = 2048;
const changed = 10;

/** Makes a folder of so many files, each with a content of its own. */
function project(files: number): Disposable & { readonly path: string; write(index: number, text: string): void } {
  const path = mkdtempSync(join(tmpdir(), 'nova-bench-workspace-'));
  const write = (index: number, text: string): void => {
    const folder = join(path, `folder${Math.floor(index / filesPerFolder)}`);
    if (index % filesPerFolder === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file${index}.txt`), text.padEnd(fileBytes, 'x'));
  };
  for (let index = 0; index < files; index++) write(index, `file ${index}\n`);
  return { path, write, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** A folder that is sent to a sandbox, sent again with few changes, reviewed and applied. */
export const workspace: Measure = {
  id: 'workspace',
  title: 'Workspaces',
  async run({ engine, home, quick, templateId, report, progress, signal }) {
    const files = quick ? 2000 : fileCount;
    using folder = project(files);
    await using box = await sandbox(engine, { templateId });
    await using connected = await Sandbox.connect(box.id, { home });
    const tree = connected.workspace;
    const rounds = quick ? 2 : 5;
    const step = Math.floor(files / changed);

    progress(`${files} files`);
    const first = await timed(() => tree.push(folder.path, { signal }));
    const none = summarise(await repeat(rounds, () => tree.push(folder.path, { signal })));
    const again = await repeat(rounds, async (round) => {
      for (let index = 0; index < changed; index++) folder.write(index * step + 1, `round ${round}\n`);
      const { sentFiles } = await tree.push(folder.path, { signal });
      if (sentFiles !== changed) throw new Error(`${sentFiles} files were sent in place of ${changed}`);
    });
    const diffs: number[] = [];
    const applies: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const script = `for n in $(seq 1 ${step} ${files}); do echo ${round} >> folder$((n / ${filesPerFolder}))/file$n.txt; done`;
      await exec(engine, box.id, ['sh', '-c', `cd /workspace; ${script}`]);
      diffs.push(await timed(() => tree.diff({ signal })));
      applies.push(
        await timed(async () => {
          const { applied } = await tree.apply({ signal });
          if (applied.length !== changed)
            throw new Error(`${applied.length} changes were applied in place of ${changed}`);
        }),
      );
    }
    const [resent, looked, taken] = [summarise(again), summarise(diffs), summarise(applies)];
    report({ name: `workspace of ${files} files, first push`, unit: 'ms', value: first });
    report({ name: 'the same, pushed again as it is', unit: 'ms', value: none.p50, summary: none });
    const budget = quick ? {} : { budget: 1000 };
    report({ name: `with ${changed} changes`, unit: 'ms', value: resent.p50, summary: resent, ...budget });
    report({ name: `diff of ${changed} changes`, unit: 'ms', value: looked.p50, summary: looked });
    report({ name: `apply of ${changed} changes`, unit: 'ms', value: taken.p50, summary: taken });
  },
};
