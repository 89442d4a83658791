import { readFileSync } from 'node:fs';

/** Whether this user namespace has numbers for all those users or groups, from the first to the last. */
export function areMapped(kind: 'uid' | 'gid', first: number, last: number): boolean {
  try {
    return readFileSync(`/proc/self/${kind}_map`, 'utf8')
      .trim()
      .split('\n')
      .some((line) => {
        const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
        return first >= inside && last < inside + count;
      });
  } catch {
    return false;
  }
}

/** Whether this user namespace has a number for that user or group. */
export const isMapped = (kind: 'uid' | 'gid', id: number): boolean => areMapped(kind, id, id);
