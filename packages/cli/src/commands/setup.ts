import { Argument, type Command } from 'commander';
import type { ReleaseName } from '@novasandbox/engine';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { printable } from '@novasandbox/protocol/visible';
import { showProgress } from '../render/progress.ts';

interface Options {
  readonly version?: string;
  readonly sha256?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .addArgument(new Argument('<hypervisor>', 'what to install').choices(['firecracker', 'cloud-hypervisor']))
    .option('--version <version>', 'another version than the one NovaSandbox is made for')
    .option('--sha256 <digest>', "SHA-256 of the release's file, where it is not to be asked for at the release page")
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what is installed as JSON')
    .addHelpText(
      'after',
      `
Fetches a release of the project's own for this machine, checks its SHA-256 and installs it in the state folder. What is there
already is kept. NOVA_MIRROR names a mirror of https://github.com to fetch from.

Examples:
  nova setup firecracker
  nova setup cloud-hypervisor --json`,
    )
    .action((name: ReleaseName, options: Options) => setup(name, options));
}

async function setup(name: ReleaseName, options: Options): Promise<void> {
  using interrupts = new Interrupts();
  const { layoutAt, prepareLayout, setUpVmm } = await import('@novasandbox/engine');
  const layout = layoutAt();
  try {
    prepareLayout(layout);
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    const { version, sha256 } = options;
    const installed = await setUpVmm(layout, name, {
      version,
      sha256,
      signal: interrupts.signal,
      progress: progress.sink,
    });
    if (options.json === true) printJson(installed);
    else process.stdout.write(`${printable(`${name} ${installed.version} in ${installed.directory}`)}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
