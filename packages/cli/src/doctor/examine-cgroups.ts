import { readFile } from 'node:fs/promises';
import type { Finding } from './finding.ts';

const needed = ['memory', 'cpu', 'pids'];

/** Whether the VMM of a sandbox can be held to its limits from outside, by cgroups of either version. */
export async function examineCgroups(): Promise<Finding> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, , type = '', options = '']) => ({ type, options: options.split(',') }))
    .filter(({ options }) => !options.includes('ro'));
  const first = mounts.filter(({ type }) => type === 'cgroup').flatMap(({ options }) => options);
  const found = needed.filter((controller) => first.includes(controller));
  if (process.getuid?.() !== 0) return cannot('only root can make them here');
  if (found.length > 0)
    return { state: 'fine', subject: 'cgroups', detail: `version 1, writable: ${found.join(', ')}` };
  if (mounts.some(({ type }) => type === 'cgroup2'))
    return { state: 'fine', subject: 'cgroups', detail: 'version 2, writable' };
  return cannot('none that can be written to is mounted');
}

function cannot(why: string): Finding {
  return {
    state: 'note',
    subject: 'cgroups',
    detail: `${why}: limits hold inside the guest, but not for the VMM around it`,
    remedy: 'Run as root on a host, not in a container, where that matters.',
  };
}
