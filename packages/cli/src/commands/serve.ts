import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { configOptions, loadServerConfig, type ConfigFlags } from '../args/server-options.ts';

export function define(command: Command): void {
  configOptions(command)
    .description(
      'Runs the daemon: REST API, E2B-compatible API, WebSockets and the ports of sandboxes, all on one port.',
    )
    .addHelpText(
      'after',
      `
The admin key is made at the first start and lies in admin.key of the state folder; the CLI on the same host needs none.
Logs are JSON lines on stderr. SIGTERM and SIGINT end it gracefully; sandboxes run on unless configured otherwise. SIGHUP reads the TLS certificate again.

Examples:
  nova serve
  nova serve --host 0.0.0.0 --port 9000 --config ./nova.yaml`,
    )
    .action((flags: ConfigFlags) => run(flags));
}

async function run(flags: ConfigFlags): Promise<void> {
  // A young generation that stays small: what a daemon keeps is little, and what requests leave behind is collected in a moment. Half the memory.
  setFlagsFromString('--semi-space-growth-factor=1');
  // So little is collected at a time that waking other threads for it, on cores that VMs use, costs more than it saves.
  setFlagsFromString('--no-parallel-scavenge');
  const config = await loadServerConfig(flags);
  const { serve } = await import('@novasandbox/server');
  const daemon = await serve(config);
  // A second signal while it ends changes nothing: it ends within the drain time.
  const stopped = new AbortController();
  const ended = Promise.race(['SIGTERM', 'SIGINT'].map((signal) => once(process, signal, { signal: stopped.signal })));
  process.on('SIGTERM', () => undefined);
  process.on('SIGINT', () => undefined);
  // Without a certificate the signal keeps its meaning: the terminal has gone.
  if (config.server.tls !== undefined) process.on('SIGHUP', () => daemon.renewCertificate());
  process.stdout.write(`NovaSandbox listens on ${daemon.url} (key in ${daemon.keyFile})\n`);
  await ended;
  await daemon.close();
}
