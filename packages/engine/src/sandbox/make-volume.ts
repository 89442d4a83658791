import { mkdir } from 'node:fs/promises';
import type { Ownership } from '@novasandbox/protocol';
import { flush } from '../artifacts/publish.ts';
import type { EngineContext } from '../context.ts';
import type { VolumeRecord } from '../ports/store.ts';
import { openToVmms } from '../vmm/image-group.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { newSandboxId } from './id.ts';
import { volumeDisk } from './volumes.ts';

interface NewVolume extends Ownership {
  readonly id?: string | undefined;
  readonly name: string;
  readonly sizeMb: number;
}

/**
 * Makes a volume whose image `fill` makes at the given path. After an error nothing is left; what a killed process
 * leaves is removed by the next one that looks.
 * @throws NovaError `volume_exists`
 */
export async function makeVolume(
  context: EngineContext,
  { id = newSandboxId(), name, sizeMb, owner, team }: NewVolume,
  fill: (image: string) => Promise<void>,
): Promise<VolumeRecord> {
  const { layout, store } = context;
  const record = { id, name, owner, team, sizeMb, createdAtMs: Date.now(), maker: ownIdentity() };
  await using undo = new AsyncDisposableStack();
  store.addVolume(record);
  undo.defer(() => store.removeVolume(id));
  const folder = layout.volume(id);
  await mkdir(folder, { mode: 0o700 });
  undo.defer(() => removeFolder(folder));
  openToVmms(folder);
  const image = volumeDisk(context, id);
  await fill(image);
  // Data that a guest syncs from here on has to be found again after a crash of the host.
  for (const path of [image, folder, layout.volumes]) await flush(path);
  store.changeVolume(id, { maker: null });
  store.flush();
  undo.move();
  return { ...record, maker: null };
}
