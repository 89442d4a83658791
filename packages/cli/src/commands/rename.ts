import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<name>', 'the new name')
    .option('--json', 'print all about the sandbox as JSON')
    .addHelpText(
      'after',
      `
A name is unique among the sandboxes of one owner. The host name in the guest stays until the next start.

Example:
  nova rename box web`,
    )
    .action((ref: string, name: string, options: { readonly json?: boolean }) => rename(ref, name, options));
}

async function rename(ref: string, name: string, { json = false }: { readonly json?: boolean }): Promise<void> {
  await using engine = await openEngine();
  const info = await engine.sandboxes.rename(ref, name);
  if (json) printJson(info);
  else process.stdout.write(`${printable(info.name ?? info.id)}\n`);
}
