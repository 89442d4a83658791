import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import type { Layout } from '@novasandbox/engine';

/**
 * What sandboxes of a state folder have left on the host: processes, sockets, folders, cgroups, mounts, half-made things. Empty is what every
 * test ends with.
 */
export async function findLeaks(layout: Layout): Promise<string[]> {
  return [
    ...processes(layout),
    ...(await entries('socket folder', layout.run)),
    ...(await entries('sandbox folder', layout.sandboxes)),
    ...(await entries('half-made thing', layout.workDirectory)).filter(
      (leak) => !/\.lock$|\/agent-target$/.test(leak) && !isBeingMade(leak),
    ),
    ...cgroups().filter((leak) => !foundBefore.has(leak)),
    ...mounts(layout),
  ];
}

const emptyCgroup = 'empty cgroup';

/** What was there before this test file ran is not its doing. */
const foundBefore = new Set(cgroups());

/** Cgroups are the host's: one found empty may belong to another state folder whose sandbox is just going. A leaked one stays. */
const settleMs = 3000;

/** Throws with a list when anything is left. */
export async function assertNoLeaks(layout: Layout): Promise<void> {
  const end = performance.now() + settleMs;
  let leaks = await findLeaks(layout);
  while (leaks.length > 0 && leaks.every((leak) => leak.startsWith(emptyCgroup)) && performance.now() < end) {
    await delay(50);
    leaks = await findLeaks(layout);
  }
  if (leaks.length > 0) throw new Error(`left behind:\n  ${leaks.join('\n  ')}`);
}

function processes(layout: Layout): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let command: string;
    try {
      command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
    } catch {
      continue;
    }
    if (!/qemu-system|firecracker|cloud-hypervisor|nova-agent/.test(command)) continue;
    if (command.includes(`${layout.run}/`) || command.includes(`${layout.home}/sandboxes/`))
      found.push(`process ${pid}: ${command.slice(0, 200)}`);
  }
  return found;
}

/** Under its lock: somebody else is at work there. */
function isBeingMade(leak: string): boolean {
  const lock = `${leak.replace(/^.*: /, '').replace(/\.lock-journal$/, '')}.lock`;
  if (!existsSync(lock)) return false;
  const database = new DatabaseSync(lock, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE; ROLLBACK');
    return false;
  } catch {
    return true;
  } finally {
    database.close();
  }
}

async function entries(what: string, directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.map((name) => `${what}: ${join(directory, name)}`);
}

function isEmpty(group: string): boolean {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8').trim() === '';
  } catch {
    // Gone meanwhile.
    return false;
  }
}

/** Groups without a process: a running sandbox of somebody else is not ours to judge. */
function cgroups(): string[] {
  const roots = [
    '/sys/fs/cgroup/novasandbox',
    ...['memory', 'cpu', 'cpu,cpuacct', 'pids'].map((c) => `/sys/fs/cgroup/${c}/novasandbox`),
  ];
  return roots.filter(existsSync).flatMap((root) =>
    readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(root, entry.name))
      .filter((group) => isEmpty(group))
      .map((group) => `${emptyCgroup}: ${group}`),
  );
}

function mounts(layout: Layout): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${layout.home}/`) || line.includes(`${layout.run}/`))
    .map((line) => `mount: ${line}`);
}
