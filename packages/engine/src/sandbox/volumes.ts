import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NovaError, type SandboxConfig, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { placeVolumes } from '../guest/place-volumes.ts';
import type { SandboxPlan } from '../guest/plan.ts';
import { recoverDisk } from '../guest/recover-disk.ts';
import type { SandboxRecord, VolumeUse } from '../ports/store.ts';
import type { BuildContext } from '../services.ts';
import { openToVmms, readableToVmms } from '../vmm/image-group.ts';
import { takeBack, writableAgain } from '../vmm/ownership.ts';
import { settle } from './reconcile.ts';

/** Name of a volume's image in its folder. */
const volumeDiskFile = 'disk.raw';

export const volumeDisk = ({ layout }: Pick<EngineContext, 'layout'>, id: string): string =>
  join(layout.volume(id), volumeDiskFile);

export type WantedVolume = Pick<VolumeUse, 'volumeId' | 'readOnly'>;

/**
 * Finds the volumes that a config names, in the order of their drives.
 *
 * @param scope where names are looked up; default: everything
 * @throws NovaError `volume_not_found`; `invalid_argument` where two names mean one volume
 */
export function findVolumes(
  { store }: Pick<EngineContext, 'store'>,
  config: SandboxConfig,
  scope?: Scope,
): WantedVolume[] {
  const found = placeVolumes(config).map(({ name, readOnly }) => {
    const volume = store.findVolume(name, scope);
    if (volume === null || volume.maker !== null)
      throw new NovaError('volume_not_found', `There is no volume "${name}".`, {
        hint: `List the volumes with \`nova volume ls\`, or make it with \`nova volume create ${name}\`.`,
      });
    return { volumeId: volume.id, readOnly };
  });
  if (new Set(found.map(({ volumeId }) => volumeId)).size < found.length)
    throw new NovaError('invalid_argument', 'volumes: names a volume twice, by its name and by its id.');
  return found;
}

/**
 * Gives a sandbox that is being started its volumes, and makes their disks ready for its VMM. The store takes them back
 * when it records the end of the sandbox.
 *
 * @param wanted default: those that it had before
 * @throws NovaError `volume_in_use` where another sandbox keeps it from one
 */
export async function takeVolumes(
  context: EngineContext,
  { record, plan }: { readonly record: SandboxRecord; readonly plan: SandboxPlan },
  options: BuildContext,
  wanted: readonly WantedVolume[] = context.store.volumesOf(record.id),
): Promise<void> {
  if (record.config.volumes.length === 0) return;
  if (!plan.driver.features.virtualMachine)
    throw new NovaError('feature_unsupported', `volumes: ${plan.driver.name} has no machine to attach them to.`);
  if (wanted.length < record.config.volumes.length)
    throw new NovaError('volume_not_found', `A volume of the sandbox ${record.name ?? record.id} has been removed.`);
  let inTheWay = context.store.takeVolumes(record.id, wanted);
  if (inTheWay.length > 0) {
    // One may have ended without anybody having noticed.
    await settleAll(context, inTheWay);
    inTheWay = context.store.takeVolumes(record.id, wanted);
  }
  const [first] = inTheWay;
  if (first !== undefined) throw inUse(context, first, 'It cannot be attached.');
  for (const { volumeId, readOnly } of wanted) {
    const path = volumeDisk(context, volumeId);
    if (!existsSync(path))
      throw new NovaError('storage_failed', `The disk of the volume ${volumeId} is missing: there is no ${path}.`, {
        hint: 'Put it back where there is a copy, or remove the volume with `nova volume rm`.',
      });
    openToVmms(context.layout.volume(volumeId));
    if (readOnly) await recoverDisk(context, { plan, path }, options);
    if (readOnly) readableByAll(path);
    else writableAgain(path);
  }
}

function readableByAll(path: string): void {
  takeBack(path);
  readableToVmms(path);
}

/** Brings sandboxes that have a volume in line with the host. */
export async function settleAll(context: EngineContext, uses: readonly VolumeUse[]): Promise<void> {
  for (const { sandboxId } of uses) {
    const record = context.store.findSandbox(sandboxId);
    if (record?.id === sandboxId) await settle(context, record);
  }
}

/** The error for a volume that a sandbox has. */
export function inUse({ store }: Pick<EngineContext, 'store'>, use: VolumeUse, consequence: string): NovaError {
  const volume = store.findVolume(use.volumeId)?.name ?? use.volumeId;
  const sandbox = store.findSandbox(use.sandboxId)?.name ?? use.sandboxId;
  const how = use.readOnly ? 'reads' : 'writes to';
  return new NovaError('volume_in_use', `The sandbox ${sandbox} ${how} the volume ${volume}. ${consequence}`, {
    details: { volume, sandbox: use.sandboxId },
  });
}

/** The images of a sandbox's volumes, in the order of its drives. */
export const volumeDisksOf = (context: EngineContext, { id }: SandboxRecord): string[] =>
  context.store.volumesOf(id).map(({ volumeId }) => volumeDisk(context, volumeId));
