import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDiskFull } from '@novasandbox/protocol';

/**
 * The reserve is a file of the state folder whose content has no meaning. Its space is given back when the disk is
 * full, so that changes that free space (stopping or removing a sandbox) can still be recorded. A process that has the
 * state folder open makes it again once there is space.
 */

/** More than the journals of both databases take (`journalPages`, twice), and the growth of the databases. */
const reserveBytes = 4 << 20;
/** This much has to be free before the reserve is made, so that the reserve itself does not fill the disk. */
const roomBytes = 4 * reserveBytes;

/** Pages (4 KiB) after which a database absorbs its journal, which must fit into the reserve. */
export const journalPages = 250;

/** Makes the reserve where it is missing and there is room. Does not throw, because it can be made later. */
export function keepReserve(file: string): void {
  try {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= reserveBytes) return;
    const { bavail, bsize } = statfsSync(dirname(file));
    if (bavail * bsize < roomBytes) return;
    // Random bytes, because a file system that compresses would keep no space for zeros.
    writeFileSync(file, randomBytes(reserveBytes), { mode: 0o600, flush: true });
  } catch {
    rmSync(file, { force: true });
  }
}

/**
 * Runs `work`. If the disk is full, it gives back the reserve and runs `work` once more, so a failed `work` must have
 * no effect.
 */
export function withReserve<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDiskFull(error) || statSync(file, { throwIfNoEntry: false }) === undefined) throw error;
    rmSync(file, { force: true });
    return work();
  }
}

/** The same store, whose calls may use the reserve, except those named, which only take more space. */
export function reserved<S extends object>(file: string, store: S, except: readonly (keyof S & string)[] = []): S {
  const wrapped = Object.entries(store).map(([name, method]: [string, unknown]) => [
    name,
    typeof method !== 'function' || except.some((each) => each === name)
      ? method
      : (...args: unknown[]): unknown => withReserve(file, () => Reflect.apply(method, store, args)),
  ]);
  return { ...store, ...Object.fromEntries(wrapped) } as S;
}
