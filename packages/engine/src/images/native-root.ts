import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { bootstrap, openForHooks, script } from './bootstrap.ts';
import { bootstrapProgress } from './bootstrap-progress.ts';
import type { DebianSource } from './debian-root.ts';
import type { StepUpdate } from './step.ts';

export interface RootFiles {
  readonly work: string;
  readonly log: string;
  /** The image to write. */
  readonly image: string;
}

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
export const leaveOut = `mkdir -p "$1/etc/dpkg/dpkg.cfg.d" && printf '%s\\n' ${leftOut.map((line) => `'${line}'`).join(' ')} \
  >"$1/etc/dpkg/dpkg.cfg.d/guest"`;

/** Builds a root of this host's own processor. Gives its packages, one a line with its version. */
export async function nativeRoot(
  { template: { packages }, architecture }: LoadedTemplate,
  source: DebianSource,
  { work, log, image }: RootFiles,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<string> {
  const list = join(work, 'packages');
  await using imageFile = await openForHooks(image);
  await using listFile = await openForHooks(list);
  const listPackages = `chroot "$1" dpkg-query -W -f '\${binary:Package} \${Version}\\n' >&4`;
  await bootstrap(
    {
      suite: source.suite,
      variant: source.variant,
      architectures: [architecture],
      packages,
      hooks: [
        `--extract-hook=${leaveOut}`,
        // The image is written in the hook, which cleans up before.
        `--customize-hook=${listPackages}\n${await script('guest-tree.sh')}\n${await script('write-image.sh')}`,
      ],
      descriptors: [imageFile.fd, listFile.fd],
      work,
      log,
      onLine: bootstrapProgress(update),
    },
    signal,
  );
  const text = await readFile(list, 'utf8');
  await rm(list);
  return text;
}
