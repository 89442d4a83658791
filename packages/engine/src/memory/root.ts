import { statSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import { fileMark } from '../artifacts/stamp.ts';
import type { EngineContext } from '../context.ts';
import type { RootImage } from '../ports/image-source.ts';
import type { BootedFrom, SandboxRecord, SnapshotRecord } from '../ports/store.ts';

/**
 * The source that the guest of a sandbox was booted from, with a mark of the content of its root image: memory knows
 * files of it, which have to be there as they were wherever the memory goes on.
 *
 * @throws NovaError `snapshot_failed` where that is not known, or the image has been built again since
 */
export function rootInUse(context: Pick<EngineContext, 'images'>, sandbox: SandboxRecord): BootedFrom {
  const found = findRoot(context, sandbox);
  if (typeof found === 'string') throw outdated(sandbox, found);
  return found;
}

/** The same; null where that is not known, or the image has been built again since. */
export function rootIfKnown(context: Pick<EngineContext, 'images'>, sandbox: SandboxRecord): BootedFrom | null {
  const found = findRoot(context, sandbox);
  return typeof found === 'string' ? null : found;
}

/** Returns a string that says why it is not known, in words that follow the sandbox's name. */
function findRoot(
  { images }: Pick<EngineContext, 'images'>,
  { bootedFrom, config }: SandboxRecord,
): BootedFrom | string {
  if (bootedFrom === null) return 'was started by an earlier release, which did not note its root image';
  const image = config.rootfsPath === undefined ? images.rootImageAt(bootedFrom.root) : null;
  const path = config.rootfsPath ?? image?.path;
  if (path === undefined || markOf(path) !== bootedFrom.rootMark)
    return 'has a root image that was built again since it was started';
  return image === null ? bootedFrom : { ...bootedFrom, rootMark: image.sha256 };
}

/**
 * The root image that kept memory needs.
 *
 * @throws NovaError `snapshot_incompatible` where it is not here as it was
 */
export function rootOfMemory(
  { images }: Pick<EngineContext, 'images'>,
  { id, config, bootedFrom }: Pick<SnapshotRecord, 'id' | 'config' | 'bootedFrom'>,
): { readonly root: RootImage; readonly bootedFrom: BootedFrom } {
  if (bootedFrom === null)
    throw new NovaError('snapshot_incompatible', `It is not known which root image the memory of ${id} needs.`);
  const { root: digest, rootMark } = bootedFrom;
  const { rootfsPath } = config;
  if (rootfsPath !== undefined) {
    if (markOf(rootfsPath) !== rootMark) throw changed(id, rootfsPath);
    return { root: { digest, path: rootfsPath, sizeBytes: statSync(rootfsPath).size }, bootedFrom };
  }
  // An image that was set aside, or came with the snapshot, has the digest of its content for a name.
  const image = [digest, rootMark].map((name) => images.rootImageAt(name)).find((each) => each?.sha256 === rootMark);
  if (image === undefined || image === null) throw changed(id, `the root image of ${config.templateId}`);
  return { root: image, bootedFrom };
}

function markOf(path: string): string | null {
  try {
    return fileMark(path);
  } catch {
    return null;
  }
}

const outdated = ({ id, name }: SandboxRecord, why: string): NovaError =>
  new NovaError('snapshot_failed', `The sandbox ${name ?? id} ${why}: its memory could not go on elsewhere.`, {
    hint: 'Take a snapshot of its disk alone, or stop it, start it again, and take one then.',
  });

const changed = (id: string, what: string): NovaError =>
  new NovaError(
    'snapshot_incompatible',
    `The memory of ${id} knows files of ${what} as they were; it has changed since, or is not here.`,
    { hint: 'Go on from the disk alone: memory: false.' },
  );
