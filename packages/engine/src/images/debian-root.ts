import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError, type ArchitectureName, type Template } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { Layout } from '../layout.ts';
import type { ImageOptions, LoadedTemplate, RunInGuest } from '../ports/image-source.ts';
import { CommandFailure } from '../programs/command.ts';
import { foreignRoot } from './foreign-root.ts';
import { nativeRoot } from './native-root.ts';
import { flush } from '../artifacts/publish.ts';
import { rootImageFiles, type Manifest } from './manifest.ts';
import { fileDigest, writeJson } from '../artifacts/stamp.ts';
import { step } from '../artifacts/step.ts';

export type DebianSource = Extract<Template['source'], { type: 'debian' }>;

/** Raise a number when the same template gives another image, because the code below or a script has changed. */
const recipeVersions = { native: 2, foreign: 1 } as const;

/** The version of the recipe for roots of guests of this processor. */
export const debianRecipeVersion = (architecture: ArchitectureName): number =>
  recipeVersions[architecture === hostArchitecture().name ? 'native' : 'foreign'];

/**
 * Builds a Debian root file system into `work`: the image, its manifest, the log. After an abort nothing of it runs or
 * stays mounted.
 */
export async function buildDebianRoot(
  layout: Layout,
  template: LoadedTemplate,
  source: DebianSource,
  work: string,
  runInGuest: RunInGuest,
  options: ImageOptions,
): Promise<void> {
  const { template_id: id } = template.template;
  const isForeign = template.architecture !== hostArchitecture().name;
  const log = join(work, rootImageFiles.log);
  const image = join(work, rootImageFiles.image);
  // apt drops its privileges to a user of its own, who has to pass through this folder.
  if (process.getuid?.() === 0) await chmod(work, 0o711);
  await step(options.progress, 'rootfs', `Root image of ${id}`, async (update) => {
    let packageText: string;
    try {
      packageText = isForeign
        ? await foreignRoot(template, source, { work, log, image }, runInGuest, update, options)
        : await nativeRoot(template, source, { work, log, image }, update, options.signal);
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      throw await failed(layout, id, log, error);
    }
    update('checking', 0.98);
    await chmod(image, 0o644);
    await flush(image);
    await writeJson(join(work, rootImageFiles.manifest), {
      template: id,
      builtAt: new Date().toISOString(),
      sizeBytes: (await stat(image)).size,
      sha256: await fileDigest(image, options.signal),
      packages: Object.fromEntries(packageList(packageText)),
    } satisfies Manifest);
    await flush(join(work, rootImageFiles.manifest));
  });
}

function packageList(text: string): [string, string][] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields): fields is [string, string] => fields.length === 2);
}

/** The work folder is removed after the failure, so the log is kept elsewhere. */
async function failed(layout: Layout, id: string, log: string, cause: CommandFailure): Promise<NovaError> {
  const text = await readFile(log, 'utf8').catch(() => '');
  const kept = layout.rootfs('failedlog');
  await writeFile(kept, text, { mode: 0o600 });
  const reason = complaints(text).slice(0, 3).join(' | ') || cause.tail;
  if (/no space left/i.test(text)) {
    return new NovaError(
      'host_resource_exhausted',
      `The root image of "${id}" does not fit on the disk. Log: ${kept}`,
      {
        cause,
      },
    );
  }
  const unreachable = /Could not resolve|Temporary failure resolving|Could not connect|Connection failed/i.test(text);
  const namespaces = /unshare|newuidmap|subuid/i.test(reason);
  return new NovaError(
    'template_build_failed',
    `The root image of "${id}" could not be built: ${reason}. Log: ${kept}`,
    {
      cause,
      ...(unreachable
        ? { hint: 'The Debian archive cannot be reached: check the network, then run the same again.' }
        : {}),
      ...(namespaces
        ? { hint: 'Install uidmap, give the user a range in /etc/subuid and /etc/subgid, or run it as root.' }
        : {}),
    },
  );
}

/**
 * The lines of a log that say what went wrong. mmdebstrap's own last lines only repeat the name of the hook that
 * failed.
 */
function complaints(text: string): string[] {
  const lines = [...text.matchAll(/^(?:E|W|error|fatal|mke2fs|mount|__populate_fs|dpkg: error.*):\s.*$/gim)].map(
    ([line]) => line,
  );
  const errors = lines.filter(
    (line) => !line.startsWith('W:') && !/^E: (setup failed|command failed|mmdebstrap failed)/.test(line),
  );
  return errors.length > 0 ? errors : lines;
}
