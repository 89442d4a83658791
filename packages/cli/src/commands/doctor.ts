import type { Command } from 'commander';
import { examineHost } from '../doctor/examine-host.ts';
import { examineEngine } from '../doctor/examine-engine.ts';
import { examineNetwork } from '../doctor/examine-network.ts';
import { isUsable, renderFindings } from '../doctor/render.ts';
import { printJson } from '../render/json.ts';

export function define(command: Command): void {
  command
    .option('--fresh', 'probe the hypervisors again instead of using the last result')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Shows what sandboxes need here, what would make them faster, safer or able to do more, and what does not apply on this
machine. Ends with 1 only if no sandbox can be created on this host.

Examples:
  nova doctor
  nova doctor --fresh --json`,
    )
    .action((options: { readonly fresh?: boolean; readonly json?: boolean }) => doctor(options));
}

async function doctor({ fresh = false, json = false }: { readonly fresh?: boolean; readonly json?: boolean }) {
  const [host, engine, network] = await Promise.all([examineHost(), examineEngine(fresh), examineNetwork(fresh)]);
  const findings = [...host, ...network, ...engine.findings];
  const usable = isUsable(findings);
  if (json) printJson({ usable, findings, hypervisors: engine.hypervisors });
  else process.stdout.write(renderFindings(findings));
  if (!usable) process.exitCode = 1;
}
