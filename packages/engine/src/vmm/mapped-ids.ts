import { readFileSync } from 'node:fs';

/** Whether this user namespace has a number for that user or group. */
export function isMapped(kind: 'uid' | 'gid', id: number): boolean {
  try {
    return readFileSync(`/proc/self/${kind}_map`, 'utf8')
      .trim()
      .split('\n')
      .some((line) => {
        const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
        return id >= inside && id < inside + count;
      });
  } catch {
    return false;
  }
}
