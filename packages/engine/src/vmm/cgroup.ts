import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { allOf } from './all-of.ts';

/** The resources of the host that the VMM process of a sandbox may use. */
export interface CgroupLimits {
  readonly memoryBytes: number;
  /** CPUs, may be fractional. */
  readonly cpus: number;
  readonly processes: number;
}

/**
 * The limits of a VMM for a machine of that size: the guest's own share, half a processor, and the MiB and threads that
 * the VMM itself needs.
 */
export function vmmLimits(
  { memoryMb, vcpus }: { readonly memoryMb: number; readonly vcpus: number },
  own: { readonly memoryMb: number; readonly threads: number },
): CgroupLimits {
  return {
    memoryBytes: (memoryMb + own.memoryMb) * 1024 * 1024,
    cpus: vcpus + 0.5,
    processes: vcpus + own.threads,
  };
}

type Hierarchy =
  | { readonly version: 2; readonly root: string }
  | { readonly version: 1; readonly roots: Readonly<Record<Controller, string | null>> };
type Controller = 'memory' | 'cpu' | 'pids';

const folder = 'novasandbox';
let found: Hierarchy | null | undefined;

/**
 * The host's cgroups, or null where this process cannot make any. The mounted file systems show whether they are v1, v2
 * or the hybrid of both.
 */
function hierarchy(): Hierarchy | null {
  if (found !== undefined) return found;
  found = null;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return found;
  let mounts: string[];
  try {
    mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  } catch {
    return found;
  }
  const entries = mounts.map((line) => line.split(' ')).filter((f) => !f[3]?.split(',').includes('ro'));
  const v1 = (controller: Controller): string | null =>
    entries.find((f) => f[2] === 'cgroup' && f[3]?.split(',').includes(controller))?.[1] ?? null;
  const roots = { memory: v1('memory'), cpu: v1('cpu'), pids: v1('pids') };
  if (roots.memory !== null || roots.cpu !== null || roots.pids !== null) return (found = { version: 1, roots });
  const v2 = entries.find((f) => f[2] === 'cgroup2')?.[1];
  if (v2 !== undefined && existsSync(join(v2, 'cgroup.subtree_control'))) found = { version: 2, root: v2 };
  return found;
}

function directories(id: string): string[] {
  const h = hierarchy();
  if (h === null) return [];
  if (h.version === 2) return [join(h.root, folder, id)];
  return [...new Set(Object.values(h.roots).filter((root) => root !== null))].map((root) => join(root, folder, id));
}

/**
 * Makes the group of a sandbox and moves its VMM, which is about to start, into it. The kernel then waits until no
 * processor uses its old data about processes (RCU), which takes some 10 ms unless cgroup2 is mounted with
 * `favordynmods`. This time passes while the VMM starts, and must have passed before the VMM gets its commands. Returns
 * the group's id, or null where the host has no writable cgroups. This function does not report that the process has
 * ended.
 */
export async function enterCgroup(id: string, pid: number, limits: CgroupLimits): Promise<string | null> {
  if (hierarchy() === null) return null;
  try {
    await allOf(directories(id).map((directory) => mkdir(directory, { recursive: true, mode: 0o755 })));
    await limitCgroup(id, limits);
    // They are written one after the other, because the writes wait for the same lock.
    for (const directory of directories(id)) await writeFile(join(directory, 'cgroup.procs'), String(pid));
    return id;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ESRCH') return id;
    await removeCgroup(id);
    // A container may show cgroups that it cannot write. The limits inside the guest still apply.
    if (!['EACCES', 'EROFS', 'EPERM', 'ENOENT', 'EBUSY'].includes(code)) throw error;
    found = null;
    return null;
  }
}

/** Sets the limits of an existing group. */
export async function limitCgroup(id: string, limits: CgroupLimits): Promise<void> {
  const h = hierarchy();
  if (h === null) return;
  if (h.version === 2) await limitVersion2(h.root, id, limits);
  else await limitVersion1(h.roots, id, limits);
}

/**
 * Shares of the processors that groups get when all want more than there is: by default, and a quarter of that. With
 * less, a clone for the pool would never be ready on a host that is always busy.
 */
const shares = { usual: { cpuShares: 1024, cpuWeight: 100 }, low: { cpuShares: 256, cpuWeight: 25 } };
export type CgroupPriority = keyof typeof shares;

/** Sets the share of the processors that an existing group gets when all want more than there is. */
export async function prioritiseCgroup(id: string, priority: CgroupPriority): Promise<void> {
  const h = hierarchy();
  if (h === null) return;
  const { cpuShares, cpuWeight } = shares[priority];
  if (h.version === 2) await writeFile(join(h.root, folder, id, 'cpu.weight'), String(cpuWeight));
  else if (h.roots.cpu !== null) await writeFile(join(h.roots.cpu, folder, id, 'cpu.shares'), String(cpuShares));
}

const periodUs = 100_000;

async function limitVersion2(root: string, id: string, limits: CgroupLimits): Promise<void> {
  for (const parent of [root, join(root, folder)]) {
    await writeFile(join(parent, 'cgroup.subtree_control'), '+memory +cpu +pids');
  }
  const group = join(root, folder, id);
  await allOf([
    writeFile(join(group, 'memory.max'), String(limits.memoryBytes)),
    writeFile(join(group, 'cpu.max'), `${Math.round(limits.cpus * periodUs)} ${periodUs}`),
    writeFile(join(group, 'pids.max'), String(limits.processes)),
  ]);
}

async function limitVersion1(
  roots: Readonly<Record<Controller, string | null>>,
  id: string,
  limits: CgroupLimits,
): Promise<void> {
  const set = (controller: Controller, file: string, value: number): readonly Promise<void>[] => {
    const root = roots[controller];
    return root === null ? [] : [writeFile(join(root, folder, id, file), String(value))];
  };
  await allOf([
    ...set('memory', 'memory.limit_in_bytes', limits.memoryBytes),
    ...set('pids', 'pids.max', limits.processes),
    ...set('cpu', 'cpu.cfs_period_us', periodUs),
  ]);
  // The quota is written last, because its bounds depend on the period.
  await allOf(set('cpu', 'cpu.cfs_quota_us', Math.round(limits.cpus * periodUs)));
}

/** The kernel releases a group shortly after its last process has ended; on an overloaded host this takes seconds. */
const freedWithinMs = 30_000;

/** Removes a group whose VMM has ended, together with any processes left in it; a missing group is fine. */
export async function removeCgroup(id: string): Promise<void> {
  const end = performance.now() + freedWithinMs;
  for (const directory of directories(id)) {
    for (;;) {
      try {
        await rmdir(directory);
        break;
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'ENOENT') break;
        if (code !== 'EBUSY' || performance.now() > end) throw error;
        killAll(directory);
        await delay(5);
      }
    }
  }
}

function killAll(directory: string): void {
  try {
    for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').trim().split('\n')) {
      if (Number(pid) > 0) process.kill(Number(pid), 'SIGKILL');
    }
  } catch {
    // The group or the process has gone in the meantime.
  }
}
