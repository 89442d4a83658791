import { newVolumeSchema, parse, type NewVolumeInput, type VolumeInfo } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { makeWritableDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { requireRoom } from '../guest/host-limits.ts';
import { makeVolume } from '../sandbox/make-volume.ts';
import type { VolumeContext } from '../services.ts';
import { toVolumeInfo } from './info.ts';

/** The label of the file system of a volume. */
const label = 'nova-volume';

/** Makes an empty volume. After an error or an abort nothing is left. */
export async function createVolume(
  context: EngineContext,
  input: NewVolumeInput,
  { ownership = { owner: null, team: null }, id, signal }: VolumeContext = {},
): Promise<VolumeInfo> {
  const { name, sizeMb } = parse(newVolumeSchema, input, 'volume');
  throwIfAborted(signal, 'before anything was made');
  await requireRoom(context, { diskSizeMb: sizeMb });
  const made = await makeVolume(context, { id, name, sizeMb, ...ownership }, (image) =>
    makeWritableDisk(image, sizeMb, { label, signal }),
  );
  return toVolumeInfo(context, made);
}
