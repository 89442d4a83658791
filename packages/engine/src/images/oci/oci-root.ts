import { chmod, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { broughtAlong, type Layout } from '../../layout.ts';
import type { ImageOptions } from '../../ports/image-source.ts';
import { flush } from '../../artifacts/publish.ts';
import { fileDigest, writeJson } from '../../artifacts/stamp.ts';
import { step } from '../../artifacts/step.ts';
import { CommandFailure, runCommand } from '../../programs/command.ts';
import { isolated } from '../isolated.ts';
import { rootImageFiles, type Manifest } from '../manifest.ts';
import { openLayers } from './layers.ts';
import { measureTree, mergedArchive } from './merged.ts';
import { requireSpace } from './pull.ts';
import type { ImageRecord } from './record.ts';
import { registrySettings } from './settings.ts';

/** Folders that the guest mounts something at, or writes to when it starts. Images of a single program lack them. */
const mountPoints = ['dev', 'etc', 'proc', 'root', 'run', 'sys'];

/**
 * Makes a root image of an image's layers in `work`: the image, its manifest, the log. Nothing of it is mounted or
 * executed: the files are unpacked below a folder that only we may enter, and copied into a file system from there.
 *
 * @param id of the template, for messages
 */
export async function writeOciRoot(
  layout: Layout,
  record: ImageRecord,
  id: string,
  work: string,
  options: ImageOptions,
): Promise<void> {
  const { signal } = options;
  const settings = await registrySettings(layout);
  const image = join(work, rootImageFiles.image);
  await step(options.progress, 'rootfs', `Root image of ${id}`, async (update) => {
    const told = (done: number): void =>
      update(`unpacking layer ${done} of ${record.layers.length}`, (0.5 * done) / Math.max(record.layers.length, 1));
    await using layers = await openLayers(layout, record, work, { settings, signal, told });
    for (const folder of mountPoints) layers.tree.addFolder(folder);
    layers.tree.addFolder('tmp', 0o1777);
    layers.tree.addFolder(record.workdir);
    const size = measureTree(layers.tree);
    const isRoot = process.getuid?.() === 0;
    if (size.device !== null && !isRoot)
      throw new NovaError('image_invalid', `${record.image} has the device ${size.device}, which only root can make.`, {
        hint: 'Build it as root, or use an image without devices.',
      });
    // The tree and the image of it.
    await requireSpace(layout, size.blocks * 4096 * (isRoot ? 2 : 1), record.image);
    update('writing the file system', 0.6);
    await writeFileSystem(image, work, {
      ...size,
      isRoot,
      archive: mergedArchive(layers.tree, layers.archives),
      signal,
    });
    update('checking', 0.95);
    await chmod(image, 0o644);
    await flush(image);
    await writeJson(join(work, rootImageFiles.manifest), {
      template: id,
      builtAt: new Date().toISOString(),
      sizeBytes: (await stat(image)).size,
      sha256: await fileDigest(image, signal),
      packages: {},
    } satisfies Manifest);
    await flush(join(work, rootImageFiles.manifest));
  });
}

interface Wanted {
  readonly inodes: number;
  readonly blocks: number;
  readonly isRoot: boolean;
  readonly archive: AsyncIterable<Buffer>;
  readonly signal?: AbortSignal | undefined;
}

/** A user other than root becomes root of a user namespace, with all user numbers that are theirs. */
const asRootOfNamespace = [
  'unshare',
  '--user',
  '--map-root-user',
  '--map-auto',
  '--mount',
  '--kill-child',
  '--fork',
  '--',
];

async function writeFileSystem(image: string, work: string, wanted: Wanted): Promise<void> {
  const { inodes, blocks, isRoot, archive, signal } = wanted;
  const script = await readFile(
    broughtAlong('Scripts that build images', join(import.meta.dirname, 'write-tree.sh')),
    'utf8',
  );
  await using output = await open(image, 'wx+', 0o600);
  if (!isRoot) await output.chmod(0o666);
  const sizes = [inodes + Math.ceil(inodes / 20) + 64, blocks + Math.ceil(blocks / 16) + Math.ceil(inodes / 10) + 2048];
  const tree = join(work, 'tree');
  const command = ['sh', '-c', script, 'sh', tree, ...sizes.map(String), isRoot ? 'disk' : 'memory'];
  const [program, ...rest] = isRoot ? await isolated(command) : [...asRootOfNamespace, ...command];
  const lost: string[] = [];
  const log = join(work, rootImageFiles.log);
  await writeFile(log, '', { mode: 0o600 });
  try {
    await runCommand(program ?? 'sh', rest, {
      input: archive,
      descriptors: [output.fd],
      log,
      signal,
      onLine: (line) => {
        // tar goes on without attributes that the file system does not keep.
        if (/Cannot set/.test(line) && lost.length < 3) lost.push(line);
      },
    });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    if (/no space left/i.test(error.tail))
      throw new NovaError('host_resource_exhausted', `The root image does not fit on the disk of ${work}.`, {
        cause: error,
      });
    throw new NovaError('template_build_failed', `The root image could not be written: ${error.tail}.`, {
      cause: error,
      hint: isRoot
        ? 'Look whether the disk of the state folder is sound and keeps owners and attributes of files.'
        : 'Install uidmap, give the user a range in /etc/subuid and /etc/subgid, or run it as root.',
    });
  }
  if (lost.length > 0)
    throw new NovaError('template_build_failed', `Attributes of files would be lost: ${lost.join(' | ')}.`, {
      hint: 'Put the state folder on a file system that keeps extended attributes, such as ext4, XFS or btrfs.',
    });
}
