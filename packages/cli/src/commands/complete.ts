import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { completionCandidates } from '../completion/candidates.ts';
import { openEngine } from '../open-engine.ts';

export function define(command: Command): void {
  command.argument('[words...]').action(async (words: string[]) => {
    const candidates = await completionCandidates(words, {
      sandboxes: async () => {
        await using engine = await openEngine();
        return (await engine.sandboxes.list({ all: true })).map(({ id, name }) => name ?? id);
      },
      templates: async () => {
        await using engine = await openEngine();
        return (await engine.templates.list()).map(({ id }) => id);
      },
    });
    process.stdout.write(candidates.map((candidate) => `${printable(candidate).replaceAll('\n', ' ')}\n`).join(''));
  });
}
