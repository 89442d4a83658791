import { readdirSync, statSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import type { UidHolder, UidRegistry } from '../ports/uid-registry.ts';
import { mayChangeUsers } from './confine.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';
import { vmmIds, type VmmIds } from './vmm-ids.ts';

/** A user of its own for each VMM of this host, whichever state folder and process it belongs to. */
export interface VmmUsers extends Disposable {
  /**
   * A user for a VMM that is about to start; null where VMMs run as our own user. `undo` ends the VMM and then gives
   * the user back. Throws `host_resource_exhausted`.
   */
  take(undo: AsyncDisposableStack): VmmUser | null;
}

export interface VmmUser {
  readonly uid: number;
  /** Records the VMM that has started. It keeps the user until it has ended, whatever happens to this process. */
  handTo(vmm: ProcessIdentity): void;
}

/** The users that VMMs have here; null where they run as our own user. */
export const usersOfVmms = (): VmmIds | null => (mayChangeUsers() ? vmmIds : null);

/** `open` opens the registry, which is not touched before the first VMM starts. */
export function createVmmUsers(open: (ids: VmmIds) => UidRegistry): VmmUsers {
  let opened: UidRegistry | undefined;
  return {
    take(undo) {
      const ids = usersOfVmms();
      if (ids === null) return null;
      const registry = (opened ??= open(ids));
      const uid = registry.claim(isInUse);
      if (uid === null)
        throw new NovaError('host_resource_exhausted', `All ${ids.count} users for VMMs of this host are in use.`);
      undo.defer(() => registry.release(uid));
      return { uid, handTo: (vmm) => registry.handTo(uid, vmm) };
    },
    [Symbol.dispose]() {
      opened?.[Symbol.dispose]();
    },
  };
}

/** A killed maker may have left a VMM that is not recorded yet, so the host's processes are checked too. */
function isInUse(uid: number, holder: UidHolder): boolean {
  return isAlive(holder) || (holder.kind === 'maker' && hasProcess(uid));
}

function hasProcess(uid: number): boolean {
  return readdirSync('/proc').some(
    (name) => /^\d+$/.test(name) && statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid === uid,
  );
}
