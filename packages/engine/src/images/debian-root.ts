import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError, type Template } from '@novasandbox/protocol';
import type { Layout } from '../layout.ts';
import type { ImageOptions, LoadedTemplate } from '../ports/image-source.ts';
import { hostArchitecture } from './architecture.ts';
import { CommandFailure, runCommand } from './command.ts';
import { sourcesFor } from './debian-sources.ts';
import { bootstrapProgress } from './bootstrap-progress.ts';
import { isolated } from './isolated.ts';
import { flush } from './publish.ts';
import { rootImageFiles, type Manifest } from './manifest.ts';
import { fileDigest, writeJson } from './stamp.ts';
import { step } from './step.ts';

export type DebianSource = Extract<Template['source'], { type: 'debian' }>;

/** To be raised when the same template gives another image: what is below, or the hook, has changed. */
export const debianRecipeVersion = 1;

/** Documentation nobody reads in a sandbox, neither from the start nor of what is installed later. Licences stay. */
const leftOut = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/lintian/*',
  'path-exclude=/usr/share/bug/*',
];

/** Given to dpkg between the extraction and the installation: mmdebstrap itself would filter every package through a script, which takes 8 s. */
const extractHook = `mkdir -p "$1/etc/dpkg/dpkg.cfg.d" && printf '%s\\n' ${leftOut.map((line) => `'${line}'`).join(' ')} \
  >"$1/etc/dpkg/dpkg.cfg.d/guest"`;

/**
 * Builds a Debian root file system into `work`: the image, its manifest, the log. Works as root and, where user namespaces are
 * allowed, without. On abort nothing of it runs on or stays mounted.
 */
export async function buildDebianRoot(
  layout: Layout,
  template: LoadedTemplate,
  source: DebianSource,
  work: string,
  options: ImageOptions,
): Promise<void> {
  const { template_id: id, packages } = template.template;
  const log = join(work, rootImageFiles.log);
  const image = join(work, rootImageFiles.image);
  await step(options.progress, 'rootfs', `Root image of ${id}`, async (update) => {
    const list = join(work, 'packages');
    // mmdebstrap's hook runs as another user where this one is not root, who could not make files here: it writes through these.
    await using imageFile = await open(image, 'w+', 0o666);
    await using listFile = await open(list, 'w+', 0o666);
    await Promise.all([imageFile.chmod(0o666), listFile.chmod(0o666)]);
    const asRoot = process.getuid?.() === 0;
    const [program, ...rest] = await isolated([
      'mmdebstrap',
      `--mode=${asRoot ? 'root' : 'unshare'}`,
      `--variant=${source.variant}`,
      `--architectures=${hostArchitecture().debian}`,
      '--format=null',
      // The image is written in the hook, which cleans up before: afterwards the tree is thrown away.
      '--skip=cleanup',
      '--verbose',
      ...(packages.length > 0 ? [`--include=${packages.join(',')}`] : []),
      '--aptopt=Acquire::Languages "none"',
      // What is interrupted is thrown away whole: there is nothing to make durable while it is built.
      '--dpkgopt=force-unsafe-io',
      `--extract-hook=${extractHook}`,
      `--customize-hook=${await readFile(join(import.meta.dirname, 'customize.sh'), 'utf8')}`,
      source.suite,
      '/dev/null',
      ...(await sourcesFor(source.suite, options.signal)),
    ]);
    try {
      await runCommand(program, rest, {
        signal: options.signal,
        log,
        onLine: bootstrapProgress(update),
        // Not root: the folders above `work` may be closed to the users of the namespace.
        env: asRoot ? { TMPDIR: work } : {},
        descriptors: [imageFile.fd, listFile.fd],
      });
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      throw await failed(layout, id, log, error);
    }
    update('checking', 0.98);
    await Promise.all([imageFile.chmod(0o644), imageFile.sync()]);
    await writeJson(join(work, rootImageFiles.manifest), {
      template: id,
      builtAt: new Date().toISOString(),
      sizeBytes: (await stat(image)).size,
      sha256: await fileDigest(image, options.signal),
      packages: Object.fromEntries(packageList(await readFile(list, 'utf8'))),
    } satisfies Manifest);
    await flush(join(work, rootImageFiles.manifest));
    await rm(list);
  });
}

function packageList(text: string): [string, string][] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields): fields is [string, string] => fields.length === 2);
}

/** The work folder goes with the failure, so the log is kept elsewhere. */
async function failed(layout: Layout, id: string, log: string, cause: CommandFailure): Promise<NovaError> {
  const text = await readFile(log, 'utf8').catch(() => '');
  const kept = layout.rootfs('failedlog');
  await writeFile(kept, text);
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

/** The lines of a log that name what went wrong. mmdebstrap's own last words only repeat the hook that failed. */
function complaints(text: string): string[] {
  const lines = [...text.matchAll(/^(?:E|W|error|fatal|mke2fs|mount|__populate_fs|dpkg: error.*):\s.*$/gim)].map(
    ([line]) => line,
  );
  const errors = lines.filter(
    (line) => !line.startsWith('W:') && !/^E: (setup failed|command failed|mmdebstrap failed)/.test(line),
  );
  return errors.length > 0 ? errors : lines;
}
