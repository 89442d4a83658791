import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { guestArchitectures, vmms, type Layout } from '@novasandbox/engine';
import { hubOf, hubsOnHost } from '../../packages/engine/src/network/hubs.ts';
import { belongingsOf, registeredSlots, type Belongings } from './belongings.ts';

/**
 * The leftovers of a state folder's sandboxes on the host: processes, sockets, folders, cgroups, network slots, mounts,
 * half-made things. Every test must end with an empty list. For a test's state folder (support/test-home.ts) it
 * contains only its own; for any other, also those that belong to nobody.
 */
export async function findLeaks(layout: Layout): Promise<string[]> {
  const own = await belongingsOf(layout);
  return [
    ...processes(layout),
    ...(await entries('socket folder', layout.run)).filter((entry) => !ofEgress(layout, entry)),
    ...(await entries('sandbox folder', layout.sandboxes)),
    ...(await halfMade(layout)),
    ...cgroups().flatMap(({ id, leak }) => (own === null || own.machines.has(id) ? [leak] : [])),
    ...hostNetwork(layout).flatMap(({ slot, leak }) => (own === null || isIn(own, slot) ? [leak] : [])),
    ...slots(layout),
    ...hubs(layout),
    ...mounts(layout),
  ];
}

const emptyCgroup = 'empty cgroup';
const hostNetworkLeak = 'network of nobody';
const halfMadeThing = 'half-made thing';

/** Things that are about to go, or that others are making, look like leaks for a moment. A real leak stays. */
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
  return [emptyCgroup, hostNetworkLeak, halfMadeThing].some((what) => leak.startsWith(what));
}

/** Leftovers that all slots share (null) belong to those who had a slot. */
function isIn(own: Belongings, slot: number | null): boolean {
  return slot === null ? own.slots.size > 0 : own.slots.has(slot);
}

/** The programs that sandboxes run as on the host. */
const programs = [
  'nova-agent',
  ...vmms.flatMap((vmm) => vmm.programs.map(({ name }) => name)),
  // QEMU has a program for each processor.
  ...guestArchitectures().map(({ qemu }) => qemu.program),
];

function processes(layout: Layout): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let command: string;
    try {
      command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
    } catch {
      continue;
    }
    if (!programs.some((program) => command.includes(program))) continue;
    if (command.includes(`${layout.run}/`) || command.includes(`${layout.home}/sandboxes/`))
      found.push(`process ${pid}: ${command.slice(0, 200)}`);
  }
  return found;
}

/** The half-made things in the work folder, which test files share, on which nobody is working. */
async function halfMade(layout: Layout): Promise<string[]> {
  const locks: Readonly<Record<string, string>> = {
    rootfs: layout.rootfs('lock'),
    kernel: layout.kernel('lock'),
    initramfs: layout.initramfs('lock'),
    agent: layout.agent('lock'),
    confine: layout.confiner('lock'),
    listen: layout.listener('lock'),
    labdisk: layout.lab('lock'),
    labtree: layout.lab('lock'),
  };
  const names = await readdir(layout.workDirectory).catch((): string[] => []);
  return names
    .filter((name) => !/\.lock$|^agent-target$/.test(name))
    .filter((name) => {
      const path = join(layout.workDirectory, name.replace(/\.lock-journal$/, ''));
      return !isLocked(locks[name] ?? `${path}.lock`);
    })
    .map((name) => `${halfMadeThing}: ${join(layout.workDirectory, name)}`);
}

function isLocked(lock: string): boolean {
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

/** The process that decides what sandboxes reach ends by itself, and leaves its files for the next one. */
const ofEgress = ({ egress }: Layout, entry: string): boolean =>
  Object.values(egress).some((path) => entry.endsWith(`: ${path}`) || entry.endsWith(`: ${path}-journal`));

async function entries(what: string, directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  return names.map((name) => `${what}: ${join(directory, name)}`);
}

function isEmpty(group: string): boolean {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8').trim() === '';
  } catch {
    // It has gone meanwhile.
    return false;
  }
}

/**
 * Groups without a process, because a running sandbox of somebody else is not ours to judge. Each is named by the id of
 * its machine.
 */
function cgroups(): { readonly id: string; readonly leak: string }[] {
  const roots = [
    '/sys/fs/cgroup/novasandbox',
    ...['memory', 'cpu', 'cpu,cpuacct', 'pids'].map((c) => `/sys/fs/cgroup/${c}/novasandbox`),
  ];
  return roots.filter(existsSync).flatMap((root) =>
    readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => ({ id: name, group: join(root, name) }))
      .filter(({ group }) => isEmpty(group))
      .map(({ id, group }) => ({ id, leak: `${emptyCgroup}: ${group}` })),
  );
}

function mounts(layout: Layout): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${layout.home}/`) || line.includes(`${layout.run}/`))
    .map((line) => `mount: ${line}`);
}

/** Slots that sandboxes of the state folder hold. */
function slots(layout: Layout): string[] {
  return registeredSlots(layout)
    .filter(({ home }) => home === layout.home)
    .map(({ number, state }) => `network slot ${number}, ${state}`);
}

/** Private networks of the state folder that the host still has something of, with their locks. */
const hubs = ({ home }: Layout): string[] =>
  hubsOnHost()
    .filter((name) => name.startsWith(hubOf(home, '')))
    .map((name) => `${hostNetworkLeak}: ${name}`);

/**
 * Namespaces, links and rules without a slot, and slots without a living process; with the number of the slot, where
 * there is one.
 */
function hostNetwork(layout: Layout): { readonly slot: number | null; readonly leak: string }[] {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return [];
  const names = (directory: string, pattern: RegExp): string[] =>
    existsSync(directory) ? readdirSync(directory).filter((name) => pattern.test(name)) : [];
  const namespaces = names('/run/netns', /^nova-\d+$/);
  const links = names('/sys/class/net', /^nv\d+$/);
  const table = spawnSync('nft', ['list', 'table', 'inet', 'novasandbox'], { stdio: 'ignore' }).status === 0;
  const registered = registeredSlots(layout);
  const known = new Set(registered.flatMap(({ number }) => [`nova-${number}`, `nv${number}`]));
  return [
    ...[...namespaces, ...links]
      .filter((name) => !known.has(name))
      .map((name) => ({ slot: Number(/\d+/.exec(name)?.[0]), what: name })),
    ...(table && registered.length === 0 ? [{ slot: null, what: 'the nftables table' }] : []),
    ...registered
      .filter(({ home, pid }) => home === null && !existsSync(`/proc/${pid}`))
      .map(({ number, state }) => ({ slot: number, what: `slot ${number}, ${state}` })),
  ].map(({ slot, what }) => ({ slot, leak: `${hostNetworkLeak}: ${what}` }));
}
