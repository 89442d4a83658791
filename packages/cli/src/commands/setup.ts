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
    .addArgument(
      new Argument('<what>', 'what to set up').choices(['firecracker', 'cloud-hypervisor', 'client', 'host']),
    )
    .option('--version <version>', 'another version than the one NovaSandbox is made for')
    .option('--sha256 <digest>', "SHA-256 of the release's file, where it is not to be asked for at the release page")
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what is installed as JSON')
    .addHelpText(
      'after',
      `
A hypervisor: fetches a release of the project's own for this machine, checks its SHA-256 and installs it in the state folder. What
is there already is kept. NOVA_MIRROR names a mirror of https://github.com to fetch from.

\`client\` and \`host\` are done by the script ./nova, before this: Node and the npm packages, all that a client of a daemon needs, and
besides all that guests need of this host. A client of a daemon and a service (\`nova serve\` by systemd) never do that by themselves.

Examples:
  nova setup firecracker
  nova setup cloud-hypervisor --json
  nova setup host`,
    )
    .action(async (what: ReleaseName | 'client' | 'host', options: Options) => {
      if (what === 'client' || what === 'host') tellReady(what);
      else await setup(what, options);
    });
}

/** What ./nova has seen to: this would not run otherwise. */
function tellReady(what: 'client' | 'host'): void {
  process.stdout.write(`${what === 'client' ? 'a client of a daemon runs here' : 'this host is set up'}\n`);
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
