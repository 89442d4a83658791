import type { EngineContext } from '../context.ts';
import { removeCgroup } from '../vmm/cgroup.ts';
import { processesNaming } from '../vmm/find-processes.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { terminate } from '../vmm/terminate.ts';

/**
 * Removes an ended sandbox with its disk. The first write comes after space was made, so that a full disk is no
 * obstacle.
 */
export async function deleteSandbox(context: EngineContext, id: string): Promise<void> {
  await releaseHost(context, id);
  await removeFolder(context.layout.sandbox(id));
  context.store.removeSandbox(id);
}

/** Gives back the resources that an ended machine held on the host. */
export async function releaseHost({ layout, network }: EngineContext, id: string): Promise<void> {
  await removeCgroup(id);
  await removeFolder(layout.sockets(id));
  await network.giveBack(id);
}

/**
 * Ends the VMM of a sandbox whose record does not say which process that is.
 *
 * @param graceMs how long it may write the cached data of its disks
 */
export async function endProcessesOf(
  { layout }: Pick<EngineContext, 'layout'>,
  id: string,
  graceMs = 0,
): Promise<void> {
  for (const orphan of processesNaming(layout.sockets(id))) await terminate(orphan, graceMs);
}
