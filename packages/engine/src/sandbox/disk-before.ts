import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../artifacts/missing.ts';
import type { EngineContext } from '../context.ts';
import { writableDiskFile } from './disk.ts';

/** Name of the disk that a sandbox had before it was taken back to a snapshot, until its guest is up. */
const beforeFile = 'before.raw';

type Where = Pick<EngineContext, 'layout'>;

/** Sets the disk of a stopped sandbox aside, so that it can be put back. */
export async function setDiskAside(context: Where, id: string): Promise<void> {
  const { disk, before } = pathsOf(context, id);
  // A sandbox with a read-only root has no disk.
  await rename(disk, before).catch(unlessMissing);
}

/** Puts the disk back that was set aside, if there is one. */
export async function putDiskBack(context: Where, id: string): Promise<void> {
  const { disk, before } = pathsOf(context, id);
  await rename(before, disk).catch(unlessMissing);
}

/** Removes the disk that was set aside. */
export async function forgetDiskBefore(context: Where, id: string): Promise<void> {
  await rm(pathsOf(context, id).before, { force: true });
}

function pathsOf({ layout }: Where, id: string): { readonly disk: string; readonly before: string } {
  const folder = layout.sandbox(id);
  return { disk: join(folder, writableDiskFile), before: join(folder, beforeFile) };
}
