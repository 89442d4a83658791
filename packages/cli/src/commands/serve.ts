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
The admin key is created at the first start in admin.key of the state folder; the CLI on the same host needs no key.
Logs are JSON lines on stderr. SIGTERM and SIGINT end the daemon gracefully; sandboxes continue to run unless
configured otherwise. SIGHUP reloads the TLS certificate.

Examples:
  nova serve
  nova serve --host 0.0.0.0 --port 9000 --config ./nova.yaml`,
    )
    .action((flags: ConfigFlags) => run(flags));
}

async function run(flags: ConfigFlags): Promise<void> {
  // Keep the young generation small, which halves the memory: a daemon retains little, and the garbage of requests is
  // collected in a moment.
  setFlagsFromString('--semi-space-growth-factor=1');
  // So little is collected at a time that waking other threads, on cores that VMs use, costs more than it saves.
  setFlagsFromString('--no-parallel-scavenge');
  const config = await loadServerConfig(flags);
  const { serve } = await import('@novasandbox/server');
  const daemon = await serve(config);
  // A second signal during shutdown has no effect: the daemon ends within the drain time.
  const stopped = new AbortController();
  const ended = Promise.race(['SIGTERM', 'SIGINT'].map((signal) => once(process, signal, { signal: stopped.signal })));
  process.on('SIGTERM', () => undefined);
  process.on('SIGINT', () => undefined);
  // Without a certificate, SIGHUP keeps its usual meaning: the terminal is gone.
  if (config.server.tls !== undefined) process.on('SIGHUP', () => daemon.renewCertificate());
  process.stdout.write(`NovaSandbox listens on ${daemon.url} (key in ${daemon.keyFile})\n`);
  await ended;
  await daemon.close();
}
