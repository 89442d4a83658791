import { printable } from '@novasandbox/protocol/visible';
import type { TakeSnapshotInput } from '@novasandbox/protocol';
import { printJson } from '../render/json.ts';
import { asStep } from '../render/step.ts';
import { withProgress } from '../with-progress.ts';

interface Output {
  readonly quiet?: boolean;
  readonly json?: boolean;
}

interface TakeOptions extends Output {
  readonly name?: string;
  readonly description?: string;
  readonly diskOnly?: boolean;
  readonly label?: Readonly<Record<string, string>>;
}

export async function take(sandbox: string, options: TakeOptions): Promise<void> {
  const { name, description, diskOnly, label } = options;
  const how: TakeSnapshotInput = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(diskOnly === true ? { memory: false } : {}),
    ...(label === undefined ? {} : { labels: label }),
  };
  await withProgress(options, async (engine, shown) => {
    const step = { step: 'take', label: `Taking a snapshot of ${sandbox}` };
    const taken = await asStep(shown.progress, step, () => engine.snapshots.take(sandbox, how, shown));
    if (options.json === true) printJson(taken);
    else process.stdout.write(`${printable(taken.id)}\n`);
  });
}

export async function restore(sandbox: string, snapshot: string, options: Output): Promise<void> {
  await withProgress(options, async (engine, shown) => {
    const step = { step: 'restore', label: `Taking ${sandbox} back to ${snapshot}` };
    const info = await asStep(shown.progress, step, () => engine.snapshots.restore(sandbox, snapshot, shown));
    if (options.json === true) printJson(info);
    else process.stdout.write(`${printable(sandbox)}\n`);
  });
}

/** Prints the snapshots that are whole on stdout and what is wrong with the others on stderr. */
export async function verify(refs: readonly string[], options: Output): Promise<void> {
  await withProgress(options, async (engine, { signal, progress }) => {
    const findings: object[] = [];
    for (const ref of refs) {
      const step = { step: 'verify', label: `Reading ${ref}` };
      const found = await asStep(progress, step, () => engine.snapshots.verify(ref, { signal }));
      findings.push({ ref, ...found });
      if (!found.valid) process.exitCode = 1;
      if (options.json === true) continue;
      if (found.valid) process.stdout.write(`${printable(ref)}\n`);
      for (const problem of found.problems) process.stderr.write(`nova: ${printable(`${ref}: ${problem}`)}\n`);
    }
    if (options.json === true) printJson(findings);
  });
}
