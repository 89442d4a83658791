import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { SandboxInfo } from '@novasandbox/protocol';
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
    .option('--label <key=value>', 'those with this label, may be repeated', parseLabel)
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
  if (!force && !(process.stdin.isTTY && process.stderr.isTTY)) {
    throw new UsageError('There is no terminal to ask at: say --force to remove all stopped and failed sandboxes.');
  }
  const ended = await listEnded(label);
  if (ended.length > 0 && !force && !(await isAgreed(ended))) return;
  await eachSandbox(
    ended.map(({ id }) => id),
    { json },
    async (engine, id) => {
      try {
        // Without force: one that has been started meanwhile is refused.
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

async function isAgreed(sandboxes: readonly SandboxInfo[]): Promise<boolean> {
  for (const { id, name, state } of sandboxes)
    process.stderr.write(`${printable(`${id}  ${state}  ${name ?? '-'}`)}\n`);
  using asking = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D closes it, and is a no.
  const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
  const answer = await Promise.race([asking.question('Remove these with their disks? [y/N] '), closed]);
  return /^y(es)?$/i.test(answer.trim());
}
