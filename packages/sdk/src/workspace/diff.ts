import type { SandboxScope } from '../sandbox-scope.ts';
import { prepareChanges } from './compare/changes.ts';
import { compare } from './compare/compare.ts';
import { HostTree } from './host/host-tree.ts';
import { Steps } from './progress.ts';
import { withWorkspace } from './session.ts';
import type { DiffOptions, WorkspaceDiff } from './types.ts';

/** Lists what the guest has changed since the folder was pushed. */
export function diff(scope: SandboxScope, options: DiffOptions): Promise<WorkspaceDiff> {
  return withWorkspace(scope, options, ({ base, guest, folder }) =>
    base.change(async () => {
      const steps = new Steps(options.onProgress, 'workspace-diff', `Comparing ${folder}`);
      return steps.run(async () => {
        const comparison = await compare({ base, guest, folder }, options.paths);
        using host = new HostTree(folder);
        const prepared = await prepareChanges(comparison, { base, guest, host }, steps);
        return { folder, guestPath: guest.path, changes: prepared.map(({ change }) => change) };
      });
    }),
  );
}
