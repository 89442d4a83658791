import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import type { Finding } from './finding.ts';

const needed = ['memory', 'cpu', 'pids'];

/**
 * Mount option of cgroup2 with which processes change groups without waiting for all processors
 * (Documentation/admin-guide/cgroup-v2.rst of Linux, 6.0 and later). It applies to all hierarchies.
 */
const quickMoves = 'favordynmods';
const hasQuickMoves = (): boolean => Number(release().split('.')[0]) >= 6;

/** Whether cgroups of either version can hold the VMM of a sandbox to its limits from outside. */
export async function examineCgroups(): Promise<Finding> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, path = '', type = '', options = '']) => ({ path, type, options: options.split(',') }))
    .filter(({ options }) => !options.includes('ro'));
  const first = mounts.filter(({ type }) => type === 'cgroup').flatMap(({ options }) => options);
  const found = needed.filter((controller) => first.includes(controller));
  if (process.getuid?.() !== 0) return cannot('only root can create them here');
  const second = mounts.find(({ type }) => type === 'cgroup2');
  if (found.length === 0 && second === undefined) return cannot('no writable one is mounted');
  const detail = found.length > 0 ? `version 1, writable: ${found.join(', ')}` : 'version 2, writable';
  const slow = second !== undefined && !second.options.includes(quickMoves) && hasQuickMoves();
  return {
    section: 'better',
    state: slow ? 'note' : 'fine',
    subject: 'cgroups',
    detail: slow ? `${detail}; a starting VMM waits some 10 ms to enter one` : detail,
    remedy: slow ? `To start VMMs faster: mount -o remount,${quickMoves} ${second.path}` : undefined,
  };
}

function cannot(why: string): Finding {
  return {
    section: 'better',
    state: 'note',
    subject: 'cgroups',
    detail: `${why}: limits hold inside the guest, but not for the VMM around it`,
    remedy: 'Run as root on a host, not in a container, where that matters.',
  };
}
