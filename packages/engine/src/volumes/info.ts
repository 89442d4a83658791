import { stat } from 'node:fs/promises';
import { everything, within, type Scope, type VolumeInfo, type VolumeUse } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { placeVolumes } from '../guest/place-volumes.ts';
import type { VolumeRecord } from '../ports/store.ts';
import { settleAll, volumeDisk } from '../sandbox/volumes.ts';
import { settleVolume } from './find.ts';

const mebibyte = 1024 * 1024;
/** The unit of `blocks` of stat(2). */
const blockBytes = 512;

export async function listVolumes(context: EngineContext, scope: Scope = everything): Promise<VolumeInfo[]> {
  const infos: VolumeInfo[] = [];
  for (const record of context.store.listVolumes().filter((each) => within(scope, each)))
    if (await settleVolume(context, record)) infos.push(await toVolumeInfo(context, record));
  return infos;
}

/** Removes what is left of volumes whose makers have ended half-way. */
export async function settleVolumes(context: EngineContext): Promise<void> {
  for (const record of context.store.listVolumes()) await settleVolume(context, record);
}

/** The public view of a volume, with the sandboxes that use it as they are now. */
export async function toVolumeInfo(context: EngineContext, record: VolumeRecord): Promise<VolumeInfo> {
  const { store } = context;
  await settleAll(
    context,
    store.usesOf(record.id).filter(({ held }) => held),
  );
  const { id, name, owner, team, sizeMb, createdAtMs } = record;
  // A disk that is missing takes no space. Whoever attaches the volume is told.
  const { blocks } = await stat(volumeDisk(context, id)).catch(() => ({ blocks: 0 }));
  return {
    id,
    name,
    owner,
    team,
    sizeMb,
    usedMb: Math.round((blocks * blockBytes * 100) / mebibyte) / 100,
    createdAt: new Date(createdAtMs).toISOString(),
    usedBy: usesOf(context, id),
  };
}

function usesOf({ store }: EngineContext, volumeId: string): VolumeUse[] {
  return store.usesOf(volumeId).flatMap(({ sandboxId, position, readOnly, held }) => {
    const sandbox = store.findSandbox(sandboxId);
    if (sandbox?.id !== sandboxId) return [];
    const { name, state, config } = sandbox;
    const path = placeVolumes(config)[position]?.path ?? '';
    return [{ sandboxId, sandboxName: name, state, path, readOnly, attached: held }];
  });
}
