import type { ProcessIdentity } from './process-identity.ts';

/**
 * The interface to the registry of the user ids that VMMs of this host run as. There is one per host, whatever the
 * number of state folders and processes. It is gone after a reboot, as the VMMs are. Each call is one transaction.
 */

/** The holder of a user id: the process that is about to start a VMM with it, and later that VMM. */
export interface UidHolder extends ProcessIdentity {
  readonly kind: 'maker' | 'vmm';
}

export interface UidRegistry extends Disposable {
  /**
   * Claims a user id for a VMM that this process is about to start. Ids are reused as late as possible. An id that was
   * claimed before is given out again only when `inUse` says that it is free. Null when all are in use.
   */
  claim(inUse: (uid: number, holder: UidHolder) => boolean): number | null;
  handTo(uid: number, vmm: ProcessIdentity): void;
  /** Gives back an id that no process runs as. */
  release(uid: number): void;
}
