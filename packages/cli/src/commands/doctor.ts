import type { Command } from 'commander';
import { examineHost } from '../doctor/examine-host.ts';
import { examineEngine } from '../doctor/examine-engine.ts';
import { examineNetwork } from '../doctor/examine-network.ts';
import type { Finding } from '../doctor/finding.ts';
import { printJson } from '../render/json.ts';
import { printable } from '@novasandbox/protocol/visible';

export function define(command: Command): void {
  command
    .option('--fresh', 'probe the hypervisors anew instead of trusting the last probe')
    .option('--json', 'print as JSON')
    .addHelpText(
      'after',
      `
Ends with 1 when no sandbox can be made on this host.

Examples:
  nova doctor
  nova doctor --fresh --json`,
    )
    .action((options: { readonly fresh?: boolean; readonly json?: boolean }) => doctor(options));
}

async function doctor({ fresh = false, json = false }: { readonly fresh?: boolean; readonly json?: boolean }) {
  const [host, engine, network] = await Promise.all([examineHost(), examineEngine(fresh), examineNetwork(fresh)]);
  const findings = [...host, ...network, ...engine.findings];
  const usable = findings.every(({ state }) => state !== 'broken');
  if (json) printJson({ usable, findings, hypervisors: engine.hypervisors });
  else process.stdout.write(`${findings.map(renderFinding).join('')}\n${verdict(usable)}\n`);
  if (!usable) process.exitCode = 1;
}

const signs: Readonly<Record<Finding['state'], string>> = { fine: '✓', note: '!', broken: '✗' };

function renderFinding({ state, subject, detail, remedy }: Finding): string {
  const mend = remedy === undefined ? '' : `    remedy: ${printable(remedy)}\n`;
  return `${signs[state]} ${`${subject}:`.padEnd(18)} ${printable(detail)}\n${mend}`;
}

function verdict(usable: boolean): string {
  return usable ? 'Sandboxes can be made here.' : 'No sandbox can be made here until what is marked ✗ is mended.';
}
