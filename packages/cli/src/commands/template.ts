import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { ArchitectureName, TemplateInfo } from '@novasandbox/protocol';
import { imageName } from '../args/image-name.ts';
import { architectureOption } from '../args/sandbox-options.ts';
import { openEngine } from '../open-engine.ts';
import { Interrupts } from '../process/interrupts.ts';
import { printJson } from '../render/json.ts';
import { showProgress } from '../render/progress.ts';
import { bytesOf, mebibytesOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

interface BuildOptions {
  readonly arch?: ArchitectureName;
  readonly force?: boolean;
  readonly image?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Templates, from which sandboxes are cloned: folders with a template.json.').addHelpText(
    'after',
    `
Examples:
  nova template ls
  nova template build base
  nova template build py --image python:3.13-slim
  nova template inspect base`,
  );
  addListing(command.command('ls').description('List templates, built or not.'));
  command
    .command('build')
    .description('Build the missing parts of a template: kernel, agent, root image, snapshot.')
    .argument('<template>', 'id of the template')
    .option('-f, --force', 'rebuild the root image; of an OCI image, look its name up anew')
    .option('--image <name>', 'make the template of this OCI image: a name in a registry, or a path', imageName)
    .addOption(architectureOption())
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the template as JSON')
    .addHelpText(
      'after',
      `
The image is fetched with the credentials of \`docker login\`. A path is a folder or archive in the OCI layout, an archive
of \`docker save\`, or an archive of a root file system; docker:NAME and podman:NAME are images of a local engine.

Examples:
  nova template build --force base
  nova template build py --image python:3.13-slim
  nova template build mine --image ./saved.tar`,
    )
    .action((id: string, options: BuildOptions) => build(id, options));
  command
    .command('inspect')
    .description('Show all about templates, as JSON.')
    .argument('<template...>', 'ids of templates')
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', "\nExample:\n  nova template inspect base | jq '.[0].packages'")
    .action((ids: string[]) => inspect(ids));
  command
    .command('rm')
    .description(
      'Remove the built parts of templates: root image and snapshots. Templates made with --image go as a whole, of others template.json stays.',
    )
    .argument('<template...>', 'ids of templates')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova template rm linux-default')
    .action((ids: string[], { json = false }: { readonly json?: boolean }) => rm(ids, json));
}

/** Makes a verb list the templates. */
export function addListing(command: Command): Command {
  return command.option('--json', 'print as JSON').action(({ json = false }: { readonly json?: boolean }) => ls(json));
}

async function ls(json: boolean): Promise<void> {
  await using engine = await openEngine();
  const templates = await engine.templates.list();
  if (json) printJson(templates);
  else process.stdout.write(renderTable(header, templates.map(toRow)));
}

const header = ['ID', 'SOURCE', 'BUILT', 'SIZE', 'SNAPSHOTS', 'MEMORY', 'VCPUS', 'DISK', 'NAME'];

function toRow(template: TemplateInfo): string[] {
  return [
    template.id,
    template.source,
    template.architectures.length > 0 ? template.architectures.join(', ') : 'no',
    template.sizeBytes === null ? '-' : bytesOf(template.sizeBytes),
    String(template.snapshots),
    mebibytesOf(template.memoryMb),
    String(template.vcpus),
    mebibytesOf(template.diskSizeMb),
    template.name,
  ];
}

async function build(
  id: string,
  { force = false, quiet = false, json = false, arch, image }: BuildOptions,
): Promise<void> {
  using interrupts = new Interrupts();
  await using engine = await openEngine();
  try {
    using progress = showProgress({ quiet: quiet || json });
    const context = { signal: interrupts.signal, progress: progress.sink };
    const built = await engine.templates.build(id, { force, architecture: arch, image }, context);
    if (json) printJson(built);
    else process.stdout.write(`${printable(built.id)}\n`);
  } catch (error) {
    if (!interrupts.signal.aborted) throw error;
    process.exitCode = interrupts.exitCode;
  }
}

async function inspect(ids: readonly string[]): Promise<void> {
  await using engine = await openEngine();
  printJson(await Promise.all(ids.map((id) => engine.templates.inspect(id))));
}

async function rm(ids: readonly string[], json: boolean): Promise<void> {
  await using engine = await openEngine();
  for (const id of ids) {
    await engine.templates.remove(id);
    if (!json) process.stdout.write(`${printable(id)}\n`);
  }
  if (json) printJson(ids.map((id) => ({ id })));
}
