import type { EngineContext } from '../context.ts';
import { removeFolder } from '../vmm/remove-folder.ts';

/** Removes a volume that is recorded as going: its disk first, so that a full disk is no obstacle. */
export async function finishRemoval({ layout, store }: EngineContext, id: string): Promise<void> {
  await removeFolder(layout.volume(id));
  store.removeVolume(id);
}
