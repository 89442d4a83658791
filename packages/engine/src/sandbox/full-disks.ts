import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import type { GuestDisk } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { waitsForSpace } from './find.ts';
import { volumeDisk } from './volumes.ts';
import { diskOf } from './disk.ts';

/** Free bytes below which a disk counts as full, and from which on it no longer does. */
const fullBelow = 1 << 20;
const roomFrom = 4 << 20;
const askMs = 2000;

/**
 * Looks for guests whose disks are full, and records which. The result is to be called regularly. A guest is asked only
 * where an image of its disks has been written since the last look, so that guests at rest cost no more than a look at
 * a file. A process that does not `looksAfter` a state folder asks only the guests that it talks to anyway.
 */
export function createDiskRounds(
  context: EngineContext,
  { looksAfter }: { readonly looksAfter: boolean },
): () => Promise<void> {
  /** The times at which the images of each sandbox had been written when its guest was last asked. */
  let seen = new Map<string, readonly number[]>();
  return async () => {
    const running = context.store
      .listSandboxes(['running'])
      .filter((record) => record.reason !== waitsForSpace && (looksAfter || context.links.has(record.id)));
    const now = new Map<string, readonly number[]>();
    await Promise.all(
      running.map(async (record) => {
        const written = await writtenAt(context, record);
        const before = seen.get(record.id);
        if (written.length === 0 || isDeepStrictEqual(written, before)) return now.set(record.id, written);
        try {
          await ask(context, record);
          now.set(record.id, written);
        } catch (error) {
          // The guest is asked again in the next round.
          if (before !== undefined) now.set(record.id, before);
          tellInBackground(`asking ${record.id} about its disks`, error);
        }
        return undefined;
      }),
    );
    seen = now;
  };
}

/** When the images that the guest may write to were last written. */
async function writtenAt(context: EngineContext, record: SandboxRecord): Promise<number[]> {
  const volumes = context.store.volumesOf(record.id).filter(({ readOnly }) => !readOnly);
  const images = [
    ...(record.config.readOnlyRootfs ? [] : [diskOf(context, record)]),
    ...volumes.map(({ volumeId }) => volumeDisk(context, volumeId)),
  ];
  const found = await Promise.all(images.map((image) => stat(image).catch(() => null)));
  return found.flatMap((each) => (each === null ? [] : [each.mtimeMs]));
}

async function ask(context: EngineContext, record: SandboxRecord): Promise<void> {
  const limit = AbortSignal.timeout(askMs);
  const { agent } = await context.links.get(record, limit);
  const { disks } = await agent.metrics({ signal: limit });
  const { config } = record;
  // A guest that makes up names of disks is not listened to.
  const known = ['/', ...config.volumes.map(({ path }) => path), ...config.extraDrives.map((drive) => drive.mountPath)];
  const fullDisks = fullAmong(
    disks.filter(({ path }) => known.includes(path)),
    record.fullDisks,
  );
  if (isDeepStrictEqual(fullDisks, record.fullDisks)) return;
  context.store.changeSandbox(record.id, ['running'], { fullDisks }, { machine: record.machine });
}

/** The disks that are full. One that was full before counts as full until it has some room again. */
export function fullAmong(disks: readonly GuestDisk[], before: readonly string[]): string[] {
  return disks
    .filter(({ path, freeBytes, freeInodes }) => {
      const wanted = before.includes(path) ? roomFrom : fullBelow;
      return freeBytes < wanted || freeInodes === 0;
    })
    .map(({ path }) => path)
    .toSorted();
}
