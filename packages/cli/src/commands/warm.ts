import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { SandboxConfigInput } from '@novasandbox/protocol';
import { warmCommand } from '../warm.ts';

/** The command that `nova run` starts in the background where NOVA_KEEP_WARM is set; nobody calls it by hand. */
export function define(command: Command): void {
  command
    .command('leave')
    .argument('<ms>')
    .action(async (ms: string) => {
      const config = JSON.parse(await text(process.stdin)) as SandboxConfigInput;
      const { createEngine } = await import('@novasandbox/engine');
      await using engine = await createEngine();
      await engine.leaveClone(config, { keepMs: Number(ms), ender: warmCommand('end') });
    });
  command.command('end').action(async () => {
    const { createEngine } = await import('@novasandbox/engine');
    await using engine = await createEngine();
    await engine.endLeftClones();
  });
}
