import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  connectUnixSocket,
  driverFeatures,
  identify,
  isAlive,
  MachineProcess,
  NovaError,
  socketPath,
  vmmLog,
  type Cancellable,
  type DriverMeans,
  type Machine,
  type MachineSpec,
  type VmmDriver,
} from 'novasandbox/engine';

const name = 'nice-process';
/** Time limit for the agent to end the programs it has started, in ms. */
const graceMs = 2000;
const opensWithinMs = 10_000;

/**
 * An example of your own driver: it runs the agent as a process of this host with a low priority. It isolates
 * nothing.
 */
export default function niceProcessDriver({ agentBinary }: DriverMeans): VmmDriver {
  return {
    name,
    // A feature that is not named is not offered. Each feature promises methods of the driver or of its machines.
    features: driverFeatures({}),
    probe: () =>
      Promise.resolve({
        available: true,
        accelerator: 'none',
        version: '1',
        binary: 'nice',
        reason: 'a process of this host with a low priority: no isolation at all',
      }),
    snapshotKey: () => Promise.resolve(name),
    launch: async (spec, { signal }) => launch(await agentBinary(signal), spec, signal),
    attach: (record) => Promise.resolve(isAlive(record) ? new NiceProcess(record) : null),
  };
}

/** The machine is one process. `MachineProcess` knows how to inspect it and how to end it. */
class NiceProcess extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectUnixSocket(socketPath(this.record.socketDirectory, 'agent'), signal);
  }

  override stop({ graceMs: wanted = graceMs }: { readonly graceMs?: number } = {}): Promise<void> {
    return super.stop({ graceMs: wanted });
  }
}

async function launch(agent: string, spec: MachineSpec, signal: AbortSignal | undefined): Promise<Machine> {
  refuseAborted(signal);
  // A failure from here on is undone, so that nothing is left but the machine's folder.
  await using undo = new AsyncDisposableStack();
  const { id, directory, socketDirectory, channels } = spec;
  const socket = socketPath(socketDirectory, 'agent');
  undo.defer(() => rm(socketDirectory, { recursive: true, force: true }));
  await mkdir(dirname(socket), { recursive: true, mode: 0o700 });
  await using log = await open(join(directory, vmmLog), 'a', 0o600);
  const child = spawn('nice', ['-n', '10', agent, '--listen', socket], {
    cwd: directory,
    // The machine outlives this process, and the next process attaches to it.
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  await once(child, 'spawn');
  child.unref();
  const identity = identify(child.pid ?? 0);
  if (identity === null) throw new NovaError('vmm_failed', `The agent did not start: see ${join(directory, vmmLog)}.`);
  const record = { driver: name, id, ...identity, directory, socketDirectory, channels, cgroup: null };
  const machine = undo.use(new NiceProcess(record));
  await untilItAnswers(machine, signal);
  undo.move();
  return machine;
}

async function untilItAnswers(machine: NiceProcess, signal: AbortSignal | undefined): Promise<void> {
  const end = performance.now() + opensWithinMs;
  for (;;) {
    refuseAborted(signal);
    try {
      (await machine.connect(0, { signal })).destroy();
      return;
    } catch (error) {
      refuseAborted(signal);
      if (!isAlive(machine.record) || performance.now() > end)
        throw new NovaError('vmm_failed', 'The agent does not take connections.', { cause: error });
    }
    await delay(5);
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new NovaError('cancelled', 'Cancelled while the agent was starting.');
}
