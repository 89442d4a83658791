import type { Command } from 'commander';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command
    .argument('<sandbox...>', 'ids, beginnings of ids, or names')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText(
      'after',
      `
Examples:
  nova inspect box
  nova inspect box | jq '.[0].metadata'`,
    )
    .action((refs: string[]) => inspect(refs));
}

async function inspect(refs: readonly string[]): Promise<void> {
  await using engine = await openEngine();
  const { sandboxes } = engine;
  printJson(
    await Promise.all(
      refs.map(async (ref) => ({ ...(await sandboxes.get(ref)), config: await sandboxes.config(ref) })),
    ),
  );
}
