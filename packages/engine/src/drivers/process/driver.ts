import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { driverFeatures } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Cancellable, Machine, MachineSpec, VmmDriver } from '../../ports/vmm-driver.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { quoted, type Launcher } from '../../vmm/launcher.ts';
import { makeLog, vmmLog } from '../../vmm/logs.ts';
import { machineRecord } from '../../vmm/machine-record.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { connectWhenOpen } from '../../vmm/server-socket.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';

const features = driverFeatures({});

const agentSocket = 'agent';
/** How long the agent may take to end its processes, ms. */
const graceMs = 2000;

/**
 * Runs the agent as a plain process of this host. It isolates nothing. It is the quick way to exercise everything above
 * the driver, and has to be requested by name.
 */
export function createProcessDriver({
  launcher,
  agentBinary,
}: Pick<DriverOptions, 'launcher' | 'agentBinary'>): VmmDriver {
  return {
    name: 'process',
    features,
    probe: () =>
      Promise.resolve({
        available: true,
        accelerator: 'none',
        version: '1',
        binary: '',
        reason: 'a plain process of this host: no isolation at all',
      }),
    snapshotKey: () => Promise.resolve('process'),
    launch: async (spec, { signal }) => start(launcher, spec, await agentBinary(signal), signal),
    attach: (record) => Promise.resolve(isAlive(record) ? new AgentProcess(record) : null),
  };
}

async function start(launcher: Launcher, spec: MachineSpec, binary: string, signal?: AbortSignal): Promise<Machine> {
  throwIfAborted(signal, 'before the agent was started');
  await using undo = new AsyncDisposableStack();
  await makeSocketDirectory(undo, spec);
  await makeLog(join(spec.directory, vmmLog));
  const socket = socketPath(spec.socketDirectory, agentSocket);
  const identity = await spawnVmm(undo, {
    launcher,
    spec,
    script: `exec ${quoted([binary, '--listen', socket])}`,
    graceMs,
  });
  (await connectWhenOpen(socket, spec, identity, signal)).destroy();
  undo.move();
  return new AgentProcess(machineRecord('process', spec, identity, { channels: spec.channels, cgroup: null }));
}

class AgentProcess extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectUnixSocket(socketPath(this.record.socketDirectory, agentSocket), signal);
  }

  /** The agent ends its processes when it is asked to exit. */
  override stop({ graceMs: wanted = graceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    return super.stop({ graceMs: wanted });
  }
}
