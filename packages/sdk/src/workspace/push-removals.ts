import type { SandboxScope } from '../sandbox-scope.ts';
import type { Base } from './base/base.ts';
import type { GuestTree } from './guest/guest-tree.ts';
import type { PushPlan } from './push-plan.ts';

/** Requests that are on their way at once. */
const atOnce = 8;

/**
 * Removes in the guest what is gone here. A folder in which the guest has something of its own is kept: it is then an
 * addition of the guest.
 */
export async function removeFromGuest(
  { id }: SandboxScope,
  guest: GuestTree,
  { remove }: PushPlan,
  base: Base,
): Promise<{ readonly removed: number; readonly kept: ReadonlySet<string> }> {
  const folders = remove.filter(({ state }) => state.type === 'directory');
  const others = remove.filter(({ state }) => state.type !== 'directory');
  for (let from = 0; from < others.length; from += atOnce) {
    await Promise.all(others.slice(from, from + atOnce).map(({ path }) => guest.remove(path)));
  }
  let removed = others.length;
  const kept = new Set<string>();
  // The contents of a folder come before it.
  for (const { path } of folders) {
    if ((await guest.files.list(id, guest.at(path), { depth: 1 })).length > 0) {
      kept.add(path);
      continue;
    }
    await guest.remove(path);
    removed += 1;
  }
  for (const { path } of remove) base.remove(path);
  return { removed, kept };
}
