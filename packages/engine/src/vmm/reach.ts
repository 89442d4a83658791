import type { Socket } from 'node:net';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { enterCgroup, type CgroupLimits } from './cgroup.ts';
import { prioritise } from './priority.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { connectWhenOpen } from './server-socket.ts';

export interface ReachOptions<Client> {
  readonly spec: Pick<MachineSpec, 'id' | 'directory' | 'lowPriority'>;
  /** It has just started, and is about to open the socket at this path. */
  readonly vmm: ProcessIdentity;
  readonly path: string;
  /** Makes the client on the connected socket right away, because the VMM's end may come at any time. */
  readonly open: (socket: Socket) => Client;
  readonly limits: CgroupLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts a VMM into its cgroup while it starts, and connects to it, so that it carries out its commands within its
 * limits. The group outlives this call, and the caller removes it. Rejects as connectWhenOpen() does; the connection is
 * closed then.
 */
export async function reach<Client extends Disposable>(
  options: ReachOptions<Client>,
): Promise<{ readonly client: Client; readonly cgroup: string | null }> {
  const { spec, vmm, path, open, limits, signal } = options;
  // Both have ended before the caller clears up.
  const [reached, entered] = await Promise.allSettled([
    connectWhenOpen(path, spec, vmm, signal).then(open),
    enterCgroup(spec.id, vmm.pid, limits).then(async (cgroup) => {
      if (spec.lowPriority === true) await prioritise({ cgroup, pid: vmm.pid }, 'low');
      return cgroup;
    }),
  ]);
  if (reached.status === 'rejected') throw reached.reason;
  using undo = new DisposableStack();
  const client = undo.use(reached.value);
  if (entered.status === 'rejected') throw entered.reason;
  throwIfAborted(signal, 'while the VMM was starting');
  undo.move();
  return { client, cgroup: entered.value };
}
