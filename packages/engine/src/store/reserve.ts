import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDiskFull } from '@novasandbox/protocol';

/**
 * The reserve is a file of the state folder that holds nothing: space that is given back when its disk is full, so that what frees space (a sandbox that is
 * stopped or removed) can still be noted. Whoever has a state folder open makes it again once there is space.
 */

/** More than the journals of both databases take (`journalPages`, twice), and what they grow by. */
const reserveBytes = 4 << 20;
/** As much has to be free for it to be made, so that it is not what fills the disk. */
const roomBytes = 4 * reserveBytes;

/** Pages (4 KiB) after which a database takes over its journal: it must fit into the reserve. */
export const journalPages = 250;

/** Makes the reserve where it is missing and there is room. Does not throw: who can do without it today gets it later. */
export function keepReserve(file: string): void {
  try {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= reserveBytes) return;
    const { bavail, bsize } = statfsSync(dirname(file));
    if (bavail * bsize < roomBytes) return;
    // Random bytes: a file system that compresses would keep no space for zeros.
    writeFileSync(file, randomBytes(reserveBytes), { mode: 0o600, flush: true });
  } catch {
    rmSync(file, { force: true });
  }
}

/** Runs `work`; where the disk turns out to be full, gives back the reserve and runs it once more. What failed must have left nothing. */
export function withReserve<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDiskFull(error) || statSync(file, { throwIfNoEntry: false }) === undefined) throw error;
    rmSync(file, { force: true });
    return work();
  }
}

/** The same store, each call of which may use the reserve, but for those that only take more space. */
export function reserved<S extends object>(file: string, store: S, except: readonly (keyof S & string)[] = []): S {
  const wrapped = Object.entries(store).map(([name, method]: [string, unknown]) => [
    name,
    typeof method !== 'function' || except.some((each) => each === name)
      ? method
      : (...args: unknown[]): unknown => withReserve(file, () => Reflect.apply(method, store, args)),
  ]);
  return { ...store, ...Object.fromEntries(wrapped) } as S;
}
