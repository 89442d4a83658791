import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { layoutAt, type Layout } from '@novasandbox/engine';

/**
 * What sandboxes of a state folder have left on the host: processes, sockets, folders, cgroups, network slots, mounts, half-made things. Empty is what every
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
    ...hostNetwork(layout).filter((leak) => !foundBefore.has(leak)),
    ...slots(layout),
    ...mounts(layout),
  ];
}

const emptyCgroup = 'empty cgroup';
const hostNetworkLeak = 'network of nobody';

/** What was there before this test file ran is not its doing. */
const foundBefore = new Set([...cgroups(), ...hostNetwork(layoutAt())]);

/** Cgroups and networks are the host's: one found empty may belong to another state folder whose sandbox is just going. A leaked one stays. */
const settleMs = 3000;

/** Throws with a list when anything is left. */
export async function assertNoLeaks(layout: Layout): Promise<void> {
  const end = performance.now() + settleMs;
  let leaks = await findLeaks(layout);
  while (leaks.length > 0 && leaks.every(settles) && performance.now() < end) {
    await delay(50);
    leaks = await findLeaks(layout);
  }
  if (leaks.length > 0) throw new Error(`left behind:\n  ${leaks.join('\n  ')}`);
}

function settles(leak: string): boolean {
  return leak.startsWith(emptyCgroup) || leak.startsWith(hostNetworkLeak);
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
    if (!/qemu-system|firecracker|cloud-hypervisor|vfkit|nova-agent/.test(command)) continue;
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

interface SlotRow {
  readonly number: number;
  readonly state: string;
  readonly home: string | null;
  readonly alive: boolean;
}

function registeredSlots({ slotRegistryFile }: Layout): SlotRow[] {
  if (!existsSync(slotRegistryFile)) return [];
  const database = new DatabaseSync(slotRegistryFile, { timeout: 10_000, readOnly: true });
  try {
    return database
      .prepare('SELECT number, state, home, pid FROM slots')
      .all()
      .map((row) => ({
        number: Number(row['number']),
        state: String(row['state']),
        home: row['home'] === null ? null : String(row['home']),
        alive: existsSync(`/proc/${String(row['pid'])}`),
      }));
  } finally {
    database.close();
  }
}

/** Slots that sandboxes of the state folder hold. */
function slots(layout: Layout): string[] {
  return registeredSlots(layout)
    .filter(({ home }) => home === layout.home)
    .map(({ number, state }) => `network slot ${number}, ${state}`);
}

/** Namespaces, links and rules that belong to no slot, and slots that belong to no living process. */
function hostNetwork(layout: Layout): string[] {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return [];
  const names = (directory: string, pattern: RegExp): string[] =>
    existsSync(directory) ? readdirSync(directory).filter((name) => pattern.test(name)) : [];
  const namespaces = names('/run/netns', /^nova-\d+$/);
  const links = names('/sys/class/net', /^nv\d+$/);
  const table = spawnSync('nft', ['list', 'table', 'inet', 'novasandbox'], { stdio: 'ignore' }).status === 0;
  const registered = registeredSlots(layout);
  const known = new Set(registered.flatMap(({ number }) => [`nova-${number}`, `nv${number}`]));
  return [
    ...[...namespaces, ...links].filter((name) => !known.has(name)),
    ...(table && registered.length === 0 ? ['the nftables table'] : []),
    ...registered
      .filter(({ home, alive }) => home === null && !alive)
      .map(({ number, state }) => `slot ${number}, ${state}`),
  ].map((what) => `${hostNetworkLeak}: ${what}`);
}
