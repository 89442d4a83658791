import type { Socket } from 'node:net';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { enterCgroup, type CgroupLimits } from './cgroup.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { connectWhenOpen } from './server-socket.ts';

export interface ReachOptions {
  readonly spec: Pick<MachineSpec, 'id' | 'directory'>;
  /** Just started, and soon to open the socket at this path. */
  readonly vmm: ProcessIdentity;
  readonly path: string;
  readonly limits: CgroupLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts a VMM into its cgroup while it starts, and connects to it. Either is done, or has failed and left nothing, when this ends: what it is told over the
 * socket it does within its limits. The group outlives this, for the caller to remove. Rejects as connectWhenOpen() does.
 */
export async function reach(
  options: ReachOptions,
): Promise<{ readonly socket: Socket; readonly cgroup: string | null }> {
  const { spec, vmm, path, limits, signal } = options;
  const [socket, cgroup] = await Promise.allSettled([
    connectWhenOpen(path, spec, vmm, signal),
    enterCgroup(spec.id, vmm.pid, limits),
  ]);
  if (socket.status === 'rejected') throw socket.reason;
  if (cgroup.status === 'fulfilled') return { socket: socket.value, cgroup: cgroup.value };
  socket.value.on('error', () => undefined).destroy();
  throw cgroup.reason;
}
