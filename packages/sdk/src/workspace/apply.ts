import { NovaError } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { prepareChanges, type PreparedChange } from './compare/changes.ts';
import { compare } from './compare/compare.ts';
import { chooser } from './compare/compare.ts';
import { sameState } from './compare/states.ts';
import { HostTree } from './host/host-tree.ts';
import { Steps } from './progress.ts';
import { withWorkspace } from './session.ts';
import type { ApplyOptions, ApplyResult, PathReason, WorkspaceChange } from './types.ts';
import { Writing } from './write-change.ts';

const defaultMaxBytes = 4 * 1024 ** 3;

/** Brings changes of the guest into the host's folder. */
export function apply(scope: SandboxScope, options: ApplyOptions): Promise<ApplyResult> {
  if (options.hunks !== undefined && options.reviewed === undefined) {
    throw new NovaError('invalid_argument', 'hunks: their numbers are those of a diff, which goes into reviewed.');
  }
  return withWorkspace(scope, options, ({ base, guest, folder }) =>
    base.change(async () => {
      const steps = new Steps(options.onProgress, 'workspace-apply', `Applying changes to ${folder}`);
      return steps.run(async () => {
        const comparison = await compare({ base, guest, folder }, options.paths);
        using host = new HostTree(folder);
        const prepared = await prepareChanges(comparison, { base, guest, host }, steps);
        const { chosen, ...left } = choose(prepared, options);
        const result = { folder, guestPath: guest.path, ...left };
        const applied: string[] = [];
        const writing = new Writing({ base, guest, host, ...comparison }, options);
        requireRoom(chosen, options.maxBytes ?? defaultMaxBytes);
        if (options.dryRun === true) return { ...result, applied: chosen.map(({ change }) => change.path) };
        for (const each of inOrder(chosen)) {
          options.signal?.throwIfAborted();
          const { path } = each.change;
          try {
            await writing.write(each);
            applied.push(path);
          } catch (error) {
            if (!(error instanceof NovaError) || error.code !== 'conflict') throw error;
            result.conflicts.push({ path, reason: error.message });
          }
        }
        await writing.finish();
        return { ...result, applied: applied.toSorted() };
      });
    }),
  );
}

interface Chosen {
  readonly chosen: PreparedChange[];
  readonly conflicts: PathReason[];
  readonly refused: PathReason[];
  readonly flagged: PathReason[];
  readonly outdated: PathReason[];
}

/** Sorts out what is not applied, and why. */
function choose(prepared: readonly PreparedChange[], options: ApplyOptions): Chosen {
  const { reviewed, allowFlagged = false, resolve = {}, hunks = {} } = options;
  const seen = reviewed === undefined ? null : new Map(reviewed.changes.map((change) => [change.path, change]));
  const isAllowed = typeof allowFlagged === 'boolean' ? () => allowFlagged : chooser(allowFlagged);
  const result: Chosen = { chosen: [], conflicts: [], refused: [], flagged: [], outdated: [] };
  for (const each of prepared) {
    const { change } = each;
    const { path } = change;
    if (seen !== null) {
      const before = seen.get(path);
      if (before === undefined) continue;
      if (!isSame(before, change)) {
        result.outdated.push({ path, reason: 'it has changed since it was looked at' });
        continue;
      }
    }
    if (hunks[path]?.length === 0) continue;
    if (change.refused !== null) result.refused.push({ path, reason: change.refused });
    else if (change.conflict !== null && !Object.hasOwn(resolve, path)) {
      result.conflicts.push({ path, reason: change.conflict });
    } else if (change.flags.length > 0 && !isAllowed(path) && resolve[path] !== 'host') {
      result.flagged.push({ path, reason: `it ${change.flags.join(', and ')}` });
    } else result.chosen.push(each);
  }
  const now = new Set(prepared.map(({ change }) => change.path));
  for (const path of seen?.keys() ?? []) {
    if (!now.has(path) && chooser(options.paths)(path))
      result.outdated.push({ path, reason: 'it is no change any more' });
  }
  return result;
}

const isSame = (one: WorkspaceChange, other: WorkspaceChange): boolean =>
  sameState(one.before, other.before) && sameState(one.after, other.after);

/** Removals come first, what is in a folder before the folder; then a folder comes before what is in it. */
function inOrder(chosen: readonly PreparedChange[]): PreparedChange[] {
  const removals = chosen.filter(({ change }) => change.after === null);
  const others = chosen.filter(({ change }) => change.after !== null);
  const by = (one: PreparedChange, other: PreparedChange): number => (one.change.path < other.change.path ? -1 : 1);
  return [...removals.toSorted((one, other) => by(other, one)), ...others.toSorted(by)];
}

function requireRoom(chosen: readonly PreparedChange[], maxBytes: number): void {
  const bytes = chosen.reduce((sum, { change }) => sum + (change.after?.size ?? 0), 0);
  if (bytes <= maxBytes) return;
  throw new NovaError('host_resource_exhausted', `The changes hold ${bytes} bytes, more than ${maxBytes}.`, {
    hint: 'Apply fewer paths at once, or raise the limit.',
  });
}
