import { readFileSync } from 'node:fs';

/**
 * Whether a process runs. One that has ended and that nobody has waited for yet does not, once its last thread has
 * ended: until then it holds its files and ports.
 */
export function isThere(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return !(/^State:\s+Z/m.test(status) && Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]) <= 1);
  } catch {
    return false;
  }
}
