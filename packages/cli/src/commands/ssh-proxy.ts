import type { Command } from 'commander';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';

export function define(command: Command): void {
  command
    .description(
      'Serves one SSH client on stdin and stdout. ssh starts it as its ProxyCommand, as "nova ssh-config" tells it to.',
    )
    .argument('<host>', 'the sandbox, with or without .nova')
    .action(proxy);
}

async function proxy(host: string): Promise<void> {
  const { layoutAt } = await import('@novasandbox/engine/layout');
  const { refOf } = await import('../ssh/client-options.ts');
  const { ensureSshFiles } = await import('../ssh/keys.ts');
  const { serveConnection } = await import('../ssh/serve-connection.ts');
  const { stdio } = await import('../ssh/stdio.ts');
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  const { id } = await engine.sandboxes.get(refOf(host));
  const files = await ensureSshFiles(layoutAt().ssh);
  await serveConnection(stdio(), files, { engine, sandboxId: id }, interrupts.signal);
}
