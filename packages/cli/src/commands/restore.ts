import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command
    .argument('<file>', 'what `nova backup` wrote')
    .option('--json', 'print what was restored as JSON')
    .addHelpText(
      'after',
      `
Stop all sandboxes and the daemon first. The present content of the state folder (NOVA_HOME) is kept in
its folder replaced-<time>.

Example:
  nova restore nova-2026-01-31.tar`,
    )
    .action(putBack);
}

async function putBack(file: string, { json = false }: { readonly json?: boolean }): Promise<void> {
  using interrupts = new Interrupts();
  const [{ layoutAt }, { restore }] = await Promise.all([import('@novasandbox/engine'), import('@novasandbox/server')]);
  try {
    const restored = await restore(layoutAt(), file, { signal: interrupts.signal });
    if (json) printJson(restored);
    else {
      const kept = restored.replaced === null ? '' : `; the previous content is in ${restored.replaced}`;
      process.stdout.write(`${printable(`${restored.holds.join(', ')}${kept}`)}\n`);
    }
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
