import type { ProcessIdentity } from '../vmm/process-identity.ts';

/**
 * The seam to the registry of the user ids that VMMs of this host run as. There is one a host, whatever the number of state
 * folders and processes; it is gone after a reboot, as the VMMs are. Each call is one transaction.
 */

/** Who holds a user id: the process that is about to start a VMM with it, and later that VMM. */
export interface UidHolder extends ProcessIdentity {
  readonly kind: 'maker' | 'vmm';
}

export interface UidRegistry extends Disposable {
  /**
   * A user id for a VMM that this process is about to start. Ids come round as late as possible. One that was claimed before
   * is given out again only when `inUse` says that it no longer is. Null when all are in use.
   */
  claim(inUse: (uid: number, holder: UidHolder) => boolean): number | null;
  handTo(uid: number, vmm: ProcessIdentity): void;
  /** Gives back an id that no process has. */
  release(uid: number): void;
}
