import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchitectureName } from '@novasandbox/protocol';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { bootstrap, openForHooks, script } from './bootstrap.ts';
import { CommandFailure } from '../programs/command.ts';
import { bootstrapProgress } from './bootstrap-progress.ts';
import type { DebianSource } from './debian-root.ts';
import type { StepUpdate } from '../artifacts/step.ts';

export interface RootFiles {
  readonly work: string;
  readonly log: string;
  /** The image to write. */
  readonly image: string;
}

/**
 * Documentation is left out, also of packages that are installed later, because nobody reads it in a sandbox. Licences
 * stay.
 */
const leftOut = [
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/lintian/*',
  'path-exclude=/usr/share/bug/*',
];

/**
 * Gives dpkg these options between extraction and installation. mmdebstrap's own option would filter every package
 * through a script, which takes 8 s.
 */
export const leaveOut = `mkdir -p "$1/etc/dpkg/dpkg.cfg.d" && printf '%s\\n' ${leftOut.map((line) => `'${line}'`).join(' ')} \
  >"$1/etc/dpkg/dpkg.cfg.d/guest"`;

/**
 * Debian's trees have their programs only in /usr. Making the links before anything is unpacked saves converting the
 * tree afterwards.
 */
export const mergeUsr = (architecture: ArchitectureName): string =>
  `--setup-hook=for folder in ${['bin', 'sbin', 'lib', ...(architecture === 'amd64' ? ['lib64'] : [])].join(' ')}; do ` +
  'mkdir -p "$1/usr/$folder" && ln -s "usr/$folder" "$1/$folder"; done';

/** The package that declares a tree merged. */
export const mergedPackage = 'usr-is-merged';

/**
 * Without this preference, apt takes the package that converts a tree, because the essential packages name it first.
 * That package would bring Perl along.
 */
const preference = {
  make: `--setup-hook=printf 'Package: usrmerge\nPin: release *\nPin-Priority: -1\n' >"$1/etc/apt/preferences.d/build"`,
  remove: 'rm "$1/etc/apt/preferences.d/build"',
};

/** A host with less memory than this keeps all of it for other work. */
const plentyOfMemory = 4 * 1024 ** 3;

/**
 * Builds a root of this host's own processor. Gives its packages, one per line with its version. Where there is plenty
 * of memory, the tree is made in half of it. This halves the time, because dpkg writes to the disk after each step. A
 * tree that does not fit is made on disk.
 */
export async function nativeRoot(
  template: LoadedTemplate,
  source: DebianSource,
  files: RootFiles,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<string> {
  // A control group may allow less memory than the host has.
  const available = process.availableMemory();
  const memoryBytes = available >= plentyOfMemory ? Math.floor(available / 2) : 0;
  try {
    return await make(template, source, files, memoryBytes, update, signal);
  } catch (error) {
    const full = error instanceof CommandFailure && /no space left/i.test(await readFile(files.log, 'utf8'));
    if (memoryBytes === 0 || !full) throw error;
    await rm(files.log);
    return make(template, source, files, 0, update, signal);
  }
}

async function make(
  { template: { packages }, architecture }: LoadedTemplate,
  source: DebianSource,
  { work, log, image }: RootFiles,
  memoryBytes: number,
  update: StepUpdate,
  signal?: AbortSignal,
): Promise<string> {
  for (const left of ['packages', 'tree']) await rm(join(work, left), { recursive: true, force: true });
  await rm(image, { force: true });
  const list = join(work, 'packages');
  await using imageFile = await openForHooks(image);
  await using listFile = await openForHooks(list);
  const listPackages = `chroot "$1" dpkg-query -W -f '\${binary:Package} \${Version}\\n' >&4`;
  await bootstrap(
    {
      suite: source.suite,
      variant: source.variant,
      architectures: [architecture],
      packages: [mergedPackage, ...packages],
      hooks: [
        mergeUsr(architecture),
        preference.make,
        `--extract-hook=${leaveOut}`,
        // The hook cleans up before it writes the image.
        `--customize-hook=${preference.remove}\n${listPackages}\n${await script('guest-tree.sh')}\n${await script('write-image.sh')}`,
      ],
      descriptors: [imageFile.fd, listFile.fd],
      work,
      memoryBytes,
      log,
      onLine: bootstrapProgress(update),
    },
    signal,
  );
  const text = await readFile(list, 'utf8');
  await rm(list);
  await rm(join(work, 'tree'), { recursive: true, force: true });
  return text;
}
