import { Argument, type Command } from 'commander';
import type { Layout } from '@novasandbox/engine';
import { releaseNames, type ReleaseName } from '@novasandbox/engine/release-names';
import type { ProgressSink } from '@novasandbox/protocol';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { printable } from '@novasandbox/protocol/visible';
import { showProgress } from '../render/progress.ts';
import { UsageError } from '../usage-error.ts';

interface Options {
  readonly remove?: boolean;
  readonly version?: string;
  readonly sha256?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .addArgument(
      new Argument('<what>', 'what to set up').choices([...releaseNames, 'client', 'host', 'path', 'mirror']),
    )
    .argument('[folder]', 'where to write a mirror, or the folder of the PATH for `nova`')
    .option('--remove', 'with path: remove `nova` from the PATH again')
    .option('--version <version>', 'a version other than the one NovaSandbox is made for')
    .option('--sha256 <digest>', "SHA-256 of the release's file; default: asked for at the release page")
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what is installed as JSON')
    .addHelpText(
      'after',
      `
A hypervisor: fetches the project's own release for this machine, checks its SHA-256 and installs it in the state folder.
An installed release is kept. NOVA_MIRROR names a mirror of https://github.com to fetch from.

\`mirror\`: writes guest agent, guest kernel and the program that confines VMMs, built here, into a folder. Other machines of this
processor and system fetch them from there instead of building them: NOVA_MIRROR names the folder (file:///...) or its https address.

\`path\`: puts a link to this \`nova\` into a folder of the PATH: /usr/local/bin for root, ~/.local/bin for others, or the one named. Another
file of that name is never replaced.

\`client\` and \`host\` are done by the script ./nova, which runs first: \`client\` installs Node and the npm packages, enough for a client of
a daemon, and \`host\` also all that guests need of this host. Clients of a daemon and a service (\`nova serve\` by systemd) never do that by
themselves.

Examples:
  nova setup firecracker
  nova setup cloud-hypervisor --json
  nova setup host
  ./nova setup path
  nova setup path --remove
  nova setup mirror ./mirror && NOVA_MIRROR=file://$PWD/mirror nova run -- true`,
    )
    .action(async (what: What, folder: string | undefined, options: Options) => {
      requireFitting(what, folder, options);
      if (what === 'client' || what === 'host') tellReady(what);
      else if (what === 'path') await (await import('../path/set-up.ts')).setUpPath(folder, options);
      else
        await withLayout(options, (means) => (what === 'mirror' ? mirror(folder ?? '', means) : install(what, means)));
    });
}

type What = ReleaseName | 'client' | 'host' | 'path' | 'mirror';

function requireFitting(what: What, folder: string | undefined, { remove, version, sha256 }: Options): void {
  if (what === 'mirror' && folder === undefined) throw new UsageError('mirror needs a folder to write to.');
  if (what !== 'mirror' && what !== 'path' && folder !== undefined) throw new UsageError(`${what} takes no folder.`);
  if (what !== 'path' && remove === true) throw new UsageError('--remove is for path only.');
  const isRelease = what === 'firecracker' || what === 'cloud-hypervisor';
  if (!isRelease && (version ?? sha256) !== undefined)
    throw new UsageError('--version and --sha256 are for firecracker and cloud-hypervisor only.');
}

interface Means {
  readonly layout: Layout;
  readonly options: Options;
  readonly signal: AbortSignal;
  readonly progress: ProgressSink;
}

/** Reports that all is installed: ./nova has done that, or this program would not run. */
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
