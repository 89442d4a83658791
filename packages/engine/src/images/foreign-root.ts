import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageOptions, LoadedTemplate, RunInGuest } from '../ports/image-source.ts';
import { readableToVmms } from '../vmm/image-group.ts';
import { bootstrap, openForHooks, script } from './bootstrap.ts';
import { bootstrapProgress } from './bootstrap-progress.ts';
import { runCommand } from '../programs/command.ts';
import type { DebianSource } from './debian-root.ts';
import { leaveOut, mergedPackage, mergeUsr, type RootFiles } from './native-root.ts';
import { copySparse } from '../artifacts/sparse.ts';
import type { StepUpdate } from '../artifacts/step.ts';

/**
 * The packages that mmdebstrap installs in each variant, as apt's patterns; and `mount`, which the guest that sets them
 * up calls (install-packages.sh).
 */
const variants: Readonly<Record<DebianSource['variant'], readonly string[]>> = {
  essential: ['?essential', 'mount'],
  apt: ['?essential', 'mount', 'apt'],
  minbase: ['?essential', '?priority(required)', 'apt'],
};

/** Discards deleted blocks and writes the file system out, although the guest still has it open. */
const finish = 'fstrim "$1"\nmount -o remount,ro "$1"';

/** While packages are installed, the image has this many times the space of the unpacked packages. */
const room = 2;

/**
 * Builds a root for a processor other than the host's, whose programs cannot run here. The packages are unpacked here,
 * and set up in a guest of that processor, which can boot from the unpacked tree. Nothing has to be registered with the
 * host's kernel. Gives the packages, one per line with its version.
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
        packages: [...variants[source.variant], mergedPackage, ...template.template.packages],
        hooks: [mergeUsr(template.architecture), '--skip=cleanup/apt', `--extract-hook=${hook.join('\n')}`],
        descriptors: [imageFile.fd],
        work,
        log,
        onLine: progress,
      },
      options.signal,
    );
  }
  // The guest gets a root of its own, so that setting up the other tree does not change the files from which the guest
  // runs.
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
  // The order matters: resize2fs changes the size of a file system only right after a check has found it whole.
  await runCommand('e2fsck', ['-f', '-p', image], { signal: options.signal, log });
  await runCommand('resize2fs', ['-M', image], { signal: options.signal, log });
  return packages;
}

/**
 * Reads dpkg's output line by line. Packages without scripts take no time, so their number says little about the
 * progress.
 */
function installProgress(update: StepUpdate): (line: string) => void {
  let done = 0;
  return (line) => {
    const [, action, name] = /^(Preparing|Setting up) ([^\s:]+)/.exec(line) ?? [];
    if (action === undefined) return;
    done += 1;
    update(`${action === 'Preparing' ? 'preparing' : 'setting up'} ${name}`, 0.25 + 0.7 * (1 - 1 / (1 + done / 50)));
  };
}
