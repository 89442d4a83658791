import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command
    .argument('<file>', 'a tar file that does not exist yet')
    .option('--json', 'print what was backed up as JSON')
    .addHelpText(
      'after',
      `
Writes the databases of the state folder (NOVA_HOME), its keys and its configuration into a tar file, even while a daemon runs. Disks of
sandboxes, images and snapshots are not in it. Keep the file secret: it contains the keys.

Example:
  nova backup nova-$(date +%F).tar`,
    )
    .action(backup);
}

async function backup(file: string, { json = false }: { readonly json?: boolean }): Promise<void> {
  using interrupts = new Interrupts();
  const [{ layoutAt }, { backUp }] = await Promise.all([import('@novasandbox/engine'), import('@novasandbox/server')]);
  try {
    const made = await backUp(layoutAt(), file, { signal: interrupts.signal });
    if (json) printJson(made);
    else process.stdout.write(`${printable(`${made.file}: ${made.holds.join(', ')}`)}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
