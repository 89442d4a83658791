/** Counts wrong passwords by name, also of names that do not exist: the answer must not tell which do. Bounded: the oldest name goes first. */
export interface Lockout {
  /** When the name is free again, or null when it is free. */
  lockedUntilMs(name: string): number | null;
  failed(name: string): void;
  succeeded(name: string): void;
}

const maxNames = 10_000;

export function createLockout(attempts: number, lockoutMs: number, now: () => number = Date.now): Lockout {
  const failures = new Map<string, { count: number; lastMs: number }>();
  const current = (name: string): { count: number; lastMs: number } | undefined => {
    const found = failures.get(name);
    if (found !== undefined && now() - found.lastMs >= lockoutMs) {
      failures.delete(name);
      return undefined;
    }
    return found;
  };
  return {
    lockedUntilMs(name) {
      const found = current(name);
      return found !== undefined && found.count >= attempts ? found.lastMs + lockoutMs : null;
    },
    failed(name) {
      const count = (current(name)?.count ?? 0) + 1;
      failures.delete(name);
      failures.set(name, { count, lastMs: now() });
      const oldest = failures.keys().next().value;
      if (failures.size > maxNames && oldest !== undefined) failures.delete(oldest);
    },
    succeeded: (name) => void failures.delete(name),
  };
}
