import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageOptions, LoadedTemplate, RunInGuest } from '../ports/image-source.ts';
import { readableToVmms } from '../vmm/image-group.ts';
import { bootstrap, openForHooks, script } from './bootstrap.ts';
import { bootstrapProgress } from './bootstrap-progress.ts';
import { runCommand } from './command.ts';
import type { DebianSource } from './debian-root.ts';
import { leaveOut, type RootFiles } from './native-root.ts';
import { copySparse } from './sparse.ts';
import type { StepUpdate } from './step.ts';

/** What mmdebstrap installs in each variant, as apt's patterns. */
const variants: Readonly<Record<DebianSource['variant'], readonly string[]>> = {
  essential: ['?essential'],
  apt: ['?essential', 'apt'],
  minbase: ['?essential', '?priority(required)', 'apt'],
};

/** Debian's trees have their programs in /usr alone. Made before anything is unpacked, this saves converting the tree afterwards. */
const mergeUsr = 'for folder in bin sbin lib; do mkdir -p "$1/usr/$folder" && ln -s "usr/$folder" "$1/$folder"; done';

/** What was deleted takes no space in the image, and the file system is whole although the guest still holds it open. */
const finish = 'fstrim "$1"\nmount -o remount,ro "$1"';

/** As many times the space that the unpacked packages take is there while they are installed. */
const room = 2;

/**
 * Builds a root for another processor than the host's, whose programs cannot run here: the packages are unpacked here, and set up in a guest of that
 * processor, which the unpacked tree is enough for. Nothing has to be registered with the host's kernel. Gives the packages, one a line with its
 * version.
 */
export async function foreignRoot(
  template: LoadedTemplate,
  source: DebianSource,
  { work, log, image }: RootFiles,
  runInGuest: RunInGuest,
  update: StepUpdate,
  options: ImageOptions,
): Promise<string> {
  {
    await using imageFile = await openForHooks(image);
    const hook = [`room=${room}`, leaveOut, await script('unpacked-tree.sh'), await script('write-image.sh')];
    const progress = bootstrapProgress(update);
    await bootstrap(
      {
        suite: source.suite,
        variant: 'extract',
        architectures: [template.architecture],
        packages: [...variants[source.variant], 'usr-is-merged', ...template.template.packages],
        hooks: [`--setup-hook=${mergeUsr}`, '--skip=cleanup/apt', `--extract-hook=${hook.join('\n')}`],
        descriptors: [imageFile.fd],
        work,
        log,
        onLine: progress,
      },
      options.signal,
    );
  }
  // The guest's own root: what is set up in the other must not pull the ground from under it.
  const system = join(work, 'system.ext4');
  await copySparse(image, system, options);
  readableToVmms(system);
  update('booting a guest to set up the packages', 0.25);
  const install = [await script('install-packages.sh'), await script('guest-tree.sh'), finish];
  const packages = await runInGuest(
    {
      template,
      system,
      target: image,
      directory: join(work, 'machine'),
      script: install.join('\n'),
      log,
      onLine: installProgress(update),
    },
    options,
  );
  await rm(system);
  // In this order: the size of a file system is only changed where it has just been found whole.
  await runCommand('e2fsck', ['-f', '-p', image], { signal: options.signal, log });
  await runCommand('resize2fs', ['-M', image], { signal: options.signal, log });
  return packages;
}

/** Reads dpkg's output, line by line. Packages without scripts take no time, so that their number tells little. */
function installProgress(update: StepUpdate): (line: string) => void {
  let done = 0;
  return (line) => {
    const [, action, name] = /^(Preparing|Setting up) ([^\s:]+)/.exec(line) ?? [];
    if (action === undefined) return;
    done += 1;
    update(`${action === 'Preparing' ? 'preparing' : 'setting up'} ${name}`, 0.25 + 0.7 * (1 - 1 / (1 + done / 50)));
  };
}
