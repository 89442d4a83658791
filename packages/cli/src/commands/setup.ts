import { Argument, type Command } from 'commander';
import type { Layout, ReleaseName } from '@novasandbox/engine';
import type { ProgressSink } from '@novasandbox/protocol';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { printable } from '@novasandbox/protocol/visible';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly version?: string;
  readonly sha256?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .addArgument(
      new Argument('<what>', 'what to set up').choices(['firecracker', 'cloud-hypervisor', 'client', 'host', 'mirror']),
    )
    .argument('[folder]', 'where to write a mirror')
    .option('--version <version>', 'another version than the one NovaSandbox is made for')
    .option('--sha256 <digest>', "SHA-256 of the release's file, where it is not to be asked for at the release page")
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what is installed as JSON')
    .addHelpText(
      'after',
      `
A hypervisor: fetches a release of the project's own for this machine, checks its SHA-256 and installs it in the state folder. What
is there already is kept. NOVA_MIRROR names a mirror of https://github.com to fetch from.

\`mirror\`: writes guest agent, guest kernel and the program that confines VMMs, built here, into a folder. Other machines of this
processor and system fetch them from there instead of building them: NOVA_MIRROR names the folder (file:///...) or its https address.

\`client\` and \`host\` are done by the script ./nova, before this: Node and the npm packages, all that a client of a daemon needs, and
besides all that guests need of this host. A client of a daemon and a service (\`nova serve\` by systemd) never do that by themselves.

Examples:
  nova setup firecracker
  nova setup cloud-hypervisor --json
  nova setup host
  nova setup mirror ./mirror && NOVA_MIRROR=file://$PWD/mirror nova run -- true`,
    )
    .action(async (what: What, folder: string | undefined, options: Options) => {
      if ((what === 'mirror') !== (folder !== undefined))
        throw new UsageError(what === 'mirror' ? 'mirror needs the folder to write.' : `${what} takes no folder.`);
      if (what === 'client' || what === 'host') tellReady(what);
      else
        await withLayout(options, (means) => (what === 'mirror' ? mirror(folder ?? '', means) : install(what, means)));
    });
}

type What = ReleaseName | 'client' | 'host' | 'mirror';

interface Means {
  readonly layout: Layout;
  readonly options: Options;
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** ./nova has installed these already: this program would not run otherwise. */
function tellReady(what: 'client' | 'host'): void {
  process.stdout.write(`${what === 'client' ? 'a client of a daemon runs here' : 'this host is set up'}\n`);
}

async function install(name: ReleaseName, { layout, options, signal, progress }: Means): Promise<void> {
  const { setUpVmm } = await import('@novasandbox/engine');
  const { version, sha256 } = options;
  const installed = await setUpVmm(layout, name, { version, sha256, signal, progress });
  if (options.json === true) printJson(installed);
  else process.stdout.write(`${printable(`${name} ${installed.version} in ${installed.directory}`)}\n`);
}

async function mirror(folder: string, { layout, options, signal, progress }: Means): Promise<void> {
  const { writeMirror } = await import('@novasandbox/engine');
  const parts = await writeMirror(layout, folder, { signal, progress });
  if (options.json === true) printJson(parts);
  else for (const { kind, directory } of parts) process.stdout.write(`${printable(`${kind} in ${directory}`)}\n`);
}

async function withLayout(options: Options, work: (means: Means) => Promise<void>): Promise<void> {
  using interrupts = new Interrupts();
  const { layoutAt, prepareLayout } = await import('@novasandbox/engine');
  const layout = layoutAt();
  try {
    prepareLayout(layout);
    using progress = showProgress({ quiet: options.quiet === true || options.json === true });
    await work({ layout, options, signal: interrupts.signal, progress: progress.sink });
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}
