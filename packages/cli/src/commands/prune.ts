import type { Command } from 'commander';
import type { SandboxInfo } from '@novasandbox/protocol';
import { canAsk, isAgreed } from '../agree.ts';
import { parseLabel } from '../args/key-value.ts';
import { eachSandbox } from '../each-sandbox.ts';
import { isGone } from '../is-gone.ts';
import { openEngine } from '../open-engine.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly force?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .option('-f, --force', 'do not ask first')
    .option('--label <key=value>', 'only those with this label, may be repeated', parseLabel)
    .option('--json', 'print what was removed as JSON')
    .addHelpText(
      'after',
      `
Removes the sandboxes that are stopped or have failed, with their disks. Those that run or are paused stay.

Examples:
  nova prune
  nova prune --force --label team=infra`,
    )
    .action((options: Options) => prune(options));
}

async function prune({ force = false, label, json }: Options): Promise<void> {
  if (!force && !canAsk()) {
    throw new UsageError('There is no terminal to ask at: say --force to remove all stopped and failed sandboxes.');
  }
  const ended = await listEnded(label);
  const rows = ended.map(({ id, name, state }) => `${id}  ${state}  ${name ?? '-'}`);
  if (ended.length > 0 && !force && !(await isAgreed(rows, 'Remove these with their disks?'))) return;
  await eachSandbox(
    ended.map(({ id }) => id),
    { json },
    async (engine, id) => {
      try {
        // Without `force`, a sandbox that has been started in the meantime is refused.
        return await engine.sandboxes.remove(id);
      } catch (error) {
        if (!isGone(error)) throw error;
        return null;
      }
    },
  );
}

async function listEnded(labels: Options['label']): Promise<SandboxInfo[]> {
  await using engine = await openEngine();
  const found = await engine.sandboxes.list({ all: true, ...(labels === undefined ? {} : { labels }) });
  return found.filter(({ state }) => state === 'stopped' || state === 'failed');
}
