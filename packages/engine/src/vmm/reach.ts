import type { Socket } from 'node:net';
import { throwIfAborted } from '../abort.ts';
import type { MachineSpec } from '../ports/vmm-driver.ts';
import { enterCgroup, type CgroupLimits } from './cgroup.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { connectWhenOpen } from './server-socket.ts';

export interface ReachOptions<Client> {
  readonly spec: Pick<MachineSpec, 'id' | 'directory'>;
  /** Just started, and soon to open the socket at this path. */
  readonly vmm: ProcessIdentity;
  readonly path: string;
  /** What speaks with it on that socket, from the moment that it is connected: its end may come at any time. */
  readonly open: (socket: Socket) => Client;
  readonly limits: CgroupLimits;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts a VMM into its cgroup while it starts, and connects to it: what it is told then, it does within its limits. The group outlives this, for the
 * caller to remove. Rejects as connectWhenOpen() does; the connection is closed then.
 */
export async function reach<Client extends Disposable>(
  options: ReachOptions<Client>,
): Promise<{ readonly client: Client; readonly cgroup: string | null }> {
  const { spec, vmm, path, open, limits, signal } = options;
  // Nothing goes on behind the back of who then clears up.
  const [reached, entered] = await Promise.allSettled([
    connectWhenOpen(path, spec, vmm, signal).then(open),
    enterCgroup(spec.id, vmm.pid, limits),
  ]);
  if (reached.status === 'rejected') throw reached.reason;
  using undo = new DisposableStack();
  const client = undo.use(reached.value);
  if (entered.status === 'rejected') throw entered.reason;
  throwIfAborted(signal, 'while the VMM was starting');
  undo.move();
  return { client, cgroup: entered.value };
}
