import type { LoginFailures, ServerStore } from '../store/server-store.ts';
import { sha256 } from './secrets.ts';

/**
 * Counts wrong passwords by user name and source. Names that do not exist are counted too, because the answer must not
 * reveal which exist. A source locks a name for itself only, so that strangers cannot lock a user out; many sources
 * together lock the name for everybody. The counts are stored and survive a restart of the daemon.
 */
export interface Lockout {
  /**
   * Returns when the lock ends for the source, or for everybody where no source is given; null when there is no lock.
   */
  lockedUntilMs(name: string, source?: string): number | null;
  failed(name: string, source: string): void;
  succeeded(name: string, source: string): void;
}

/** How many sources have to use up their attempts before a name is locked for everybody. */
const sourcesForAll = 10;

export function createLockout(
  store: ServerStore,
  attempts: number,
  lockoutMs: number,
  now: () => number = Date.now,
): Lockout {
  // People type passwords into the name field by mistake, so only a hash of the name is stored.
  const ofAll = (name: string): string => sha256(name);
  const ofOne = (name: string, source: string): string => sha256(`${name}\0${source}`);
  const current = (key: string): LoginFailures | null => {
    const found = store.findLoginFailures(key);
    return found === null || now() - found.lastMs >= lockoutMs ? null : found;
  };
  const lockedUntil = (key: string, most: number): number | null => {
    const found = current(key);
    return found !== null && found.count >= most ? found.lastMs + lockoutMs : null;
  };
  return {
    lockedUntilMs: (name, source) =>
      (source === undefined ? null : lockedUntil(ofOne(name, source), attempts)) ??
      lockedUntil(ofAll(name), attempts * sourcesForAll),
    failed(name, source) {
      for (const key of [ofOne(name, source), ofAll(name)])
        store.putLoginFailures(key, { count: (current(key)?.count ?? 0) + 1, lastMs: now() });
    },
    succeeded(name, source) {
      for (const key of [ofOne(name, source), ofAll(name)]) store.clearLoginFailures(key);
    },
  };
}
