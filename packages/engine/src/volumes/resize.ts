import { NovaError, parse, volumeSizeSchema, type VolumeInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { requireRoom } from '../guest/host-limits.ts';
import { placeVolumes } from '../guest/place-volumes.ts';
import type { VolumeUse } from '../ports/store.ts';
import { connectToAgent } from '../sandbox/find.ts';
import { growDisk, growImage } from '../sandbox/grow-disk.ts';
import { inUse, settleAll, volumeDisk } from '../sandbox/volumes.ts';
import type { CallContext } from '../services.ts';
import { findVolume } from './find.ts';
import { toVolumeInfo } from './info.ts';

/**
 * Makes a volume larger: with its file system where a running sandbox writes to it, else when a guest next mounts it
 * for writing.
 */
export async function resizeVolume(
  context: EngineContext,
  ref: string,
  wantedMb: number,
  options: CallContext = {},
): Promise<VolumeInfo> {
  const sizeMb = parse(volumeSizeSchema, wantedMb, 'sizeMb');
  const record = await findVolume(context, ref);
  if (sizeMb < record.sizeMb)
    throw new NovaError(
      'invalid_argument',
      `sizeMb: ${sizeMb} is less than the ${record.sizeMb} MiB that the volume has; a volume can only grow.`,
    );
  await requireRoom(context, { diskSizeMb: sizeMb });
  const { store } = context;
  const bytes = sizeMb * 1024 * 1024;
  await settleAll(context, store.usesOf(record.id));
  const [user] = store.usesOf(record.id).filter(({ held }) => held);
  if (user === undefined) growImage(volumeDisk(context, record.id), bytes);
  else await growUsed(context, user, bytes, options);
  const changed = store.changeVolume(record.id, { sizeMb });
  if (changed === null) throw new NovaError('volume_not_found', `The volume ${record.name} was removed meanwhile.`);
  return toVolumeInfo(context, changed);
}

/** A guest that only reads cannot grow the file system. */
async function growUsed(context: EngineContext, use: VolumeUse, bytes: number, options: CallContext): Promise<void> {
  if (use.readOnly) throw inUse(context, use, 'It can grow only where nobody has it, or somebody writes to it.');
  const link = await connectToAgent(context, use.sandboxId, options.signal);
  const placed = placeVolumes(link.record.config)[use.position];
  if (placed === undefined) throw new Error(`the sandbox ${use.sandboxId} has no volume ${use.position}`);
  const { index, path } = placed;
  await growDisk(context, link, { image: volumeDisk(context, use.volumeId), bytes, index, mountedAt: path }, options);
}
