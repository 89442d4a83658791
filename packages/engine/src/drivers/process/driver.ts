import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { driverFeatures } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineRecord, MachineSpec, VmmDriver } from '../../ports/vmm-driver.ts';
import { quoted, type Launcher } from '../../vmm/launcher.ts';
import { makeLog, vmmLog } from '../../vmm/logs.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { connectWhenOpen } from '../../vmm/server-socket.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';

const features = driverFeatures({});

const agentSocket = 'agent';
/** How long the agent may take to end what it has started, ms. */
const graceMs = 2000;

export interface ProcessDriverOptions {
  readonly launcher: Launcher;
  readonly agentBinary: (signal?: AbortSignal) => Promise<string>;
}

/**
 * Runs the agent as a plain process of this host. It isolates nothing: it is the quick way to exercise everything above the driver, and
 * has to be asked for by name.
 */
export function createProcessDriver({ launcher, agentBinary }: ProcessDriverOptions): VmmDriver {
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
  const record: MachineRecord = {
    driver: 'process',
    id: spec.id,
    ...identity,
    directory: spec.directory,
    socketDirectory: spec.socketDirectory,
    channels: spec.channels,
    cgroup: null,
  };
  return new AgentProcess(record);
}

class AgentProcess extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: { readonly signal?: AbortSignal | undefined }): Promise<Duplex> {
    return connectUnixSocket(socketPath(this.record.socketDirectory, agentSocket), signal);
  }

  /** The agent ends what it has started when it is asked to go. */
  override stop({ graceMs: wanted = graceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    return super.stop({ graceMs: wanted });
  }
}
