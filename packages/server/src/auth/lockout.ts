import type { LoginFailures, ServerStore } from '../store/server-store.ts';
import { sha256 } from './secrets.ts';

/**
 * Counts wrong passwords by name and source, also of names that do not exist: the answer must not tell which do. A
 * source locks a name for itself alone, so that nobody is kept out by strangers; many sources together lock it for all.
 * The store keeps the counts, so that a daemon that is started anew does not begin to count anew.
 */
export interface Lockout {
  /** When the name is free again for the source, for all where none is named; null when it is free. */
  lockedUntilMs(name: string, source?: string): number | null;
  failed(name: string, source: string): void;
  succeeded(name: string, source: string): void;
}

/** So many sources have to use up their attempts before a name is locked for all. */
const sourcesForAll = 10;

export function createLockout(
  store: ServerStore,
  attempts: number,
  lockoutMs: number,
  now: () => number = Date.now,
): Lockout {
  // People type passwords where a name belongs: what they typed is not kept.
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
