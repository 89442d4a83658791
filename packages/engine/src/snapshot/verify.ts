import { toNovaError, type SnapshotCheck } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallContext } from '../services.ts';
import { findSnapshot } from './find.ts';
import { problemsOf, readManifest } from '../memory/manifest.ts';
import { memoryFolder } from '../memory/memory-folder.ts';
import { rootOfMemory } from '../memory/root.ts';

/** Reads all that a snapshot needs, and compares it with what it was. */
export async function verifySnapshot(
  context: EngineContext,
  ref: string,
  { signal }: CallContext = {},
): Promise<SnapshotCheck> {
  const snapshot = findSnapshot(context, ref);
  const problems: string[] = [];
  const check = async (work: () => Promise<readonly string[]> | readonly string[]): Promise<void> => {
    try {
      problems.push(...(await work()));
    } catch (error) {
      signal?.throwIfAborted();
      problems.push(toNovaError(error).message);
    }
  };
  const folder = context.layout.snapshot(snapshot.id);
  await check(async () => {
    const manifest = await readManifest(folder);
    const { memoryFrom } = manifest;
    if (memoryFrom !== null)
      await check(async () => {
        await memoryFolder(context, memoryFrom, { signal, how: 'whole' });
        return [];
      });
    return problemsOf(folder, manifest, 'whole', signal);
  });
  if (snapshot.kind === 'memory')
    await check(() => {
      rootOfMemory(context, snapshot);
      return [];
    });
  return { valid: problems.length === 0, problems };
}
