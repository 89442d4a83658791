import { join } from 'node:path';
import { withLock } from '@novasandbox/engine/lock';
import { NovaError } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { hostFileError } from '../tar/host-file-error.ts';
import { Base } from './base/base.ts';
import { baseFile, baseFolder, chosenWorkspace, prepareBaseFolder } from './base/place.ts';
import { GuestTree } from './guest/guest-tree.ts';
import type { WorkspaceCallOptions } from './types.ts';

/** One call on a workspace: what was pushed, the guest's folder, and the host's folder. */
export interface Session {
  readonly base: Base;
  readonly guest: GuestTree;
  /** The folder of the host. */
  readonly folder: string;
}

/** Runs work on a workspace that was pushed before. No other call on the sandbox's workspaces runs meanwhile. */
export function withWorkspace<T>(
  scope: SandboxScope,
  options: WorkspaceCallOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { place } = scope.engine;
  const { folder, guestPath } = chosenWorkspace(place, scope.id, options.guestPath);
  return withBase(scope, guestPath, options, async (base) => {
    if (isOfBefore(base, await restoredAt(scope)))
      throw new NovaError('conflict', 'The sandbox was taken back to a snapshot after the folder was pushed.', {
        hint: 'Push it again: what the sandbox has of it is compared anew.',
      });
    return work({ base, guest: new GuestTree(scope, guestPath, userOf(base), options.signal), folder });
  });
}

/** Runs work on the record of a folder of the guest, which is made if it is missing. */
export function withBase<T>(
  scope: SandboxScope,
  guestPath: string,
  { signal }: WorkspaceCallOptions,
  work: (base: Base) => Promise<T>,
): Promise<T> {
  const { place } = scope.engine;
  prepareBaseFolder(place, scope.id);
  return withLock(join(baseFolder(place, scope.id), 'lock'), { signal }, async () => {
    try {
      using base = Base.open(baseFile(place, scope.id, guestPath));
      return await work(base);
    } catch (error) {
      throw hostFileError(error);
    }
  });
}

/**
 * Whether the sandbox was taken back to a snapshot since the last push. What was pushed may be gone from it then, which
 * would look as if the guest had removed it.
 */
export const isOfBefore = (base: Base, restored: string): boolean =>
  base.fact('pushedAt') !== null && (base.fact('restoredAt') ?? '') !== restored;

/** When the sandbox was last taken back to a snapshot, as a base notes it; empty for never. */
export const restoredAt = async ({ engine, id }: SandboxScope): Promise<string> =>
  (await engine.sandboxes.get(id)).restoredAt ?? '';

/** The owner that the first push named. */
export const userOf = (base: Base): string | undefined => base.fact('user') ?? undefined;
