import { spawn } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { existsSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type {
  DriverFeatures,
  Machine,
  MachineExit,
  MachineRecord,
  MachineSpec,
  VmmDriver,
} from '../../ports/vmm-driver.ts';
import { hostUsage } from '../../vmm/host-usage.ts';
import { fileTail, vmmLog } from '../../vmm/logs.ts';
import { identify, isAlive } from '../../vmm/process-identity.ts';
import { terminate } from '../../vmm/terminate.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { watchForEnd } from '../../vmm/watch-for-end.ts';

const features: DriverFeatures = {
  virtualMachine: false,
  pause: false,
  snapshot: false,
  restore: false,
  sharedMemoryClones: false,
  network: false,
};

const agentSocket = 'agent';
const startTimeoutMs = 10_000;

export interface ProcessDriverOptions {
  readonly agentBinary: (signal?: AbortSignal) => Promise<string>;
}

/**
 * Runs the agent as a plain process of this host. It isolates nothing: it is the quick way to exercise everything above the driver, and
 * has to be asked for by name.
 */
export function createProcessDriver({ agentBinary }: ProcessDriverOptions): VmmDriver {
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
    launch: async (spec, { signal }) => start(spec, await agentBinary(signal), signal),
    attach: (record) => Promise.resolve(isAlive(record) ? processMachine(record, null) : null),
  };
}

async function start(spec: MachineSpec, binary: string, signal?: AbortSignal): Promise<Machine> {
  throwIfAborted(signal, 'before the agent was started');
  await using undo = new AsyncDisposableStack();
  await mkdir(spec.socketDirectory, { recursive: true, mode: 0o700 });
  undo.defer(() => rm(spec.socketDirectory, { recursive: true, force: true }));
  const log = await open(join(spec.directory, vmmLog), 'a', 0o600);
  undo.defer(() => log.close());
  const socket = socketPath(spec.socketDirectory, agentSocket);
  const child = spawn(binary, ['--listen', socket], {
    detached: true,
    cwd: spec.directory,
    stdio: ['ignore', log.fd, log.fd],
  });
  const exit = Promise.withResolvers<MachineExit>();
  child.once('exit', (code, name) => exit.resolve({ code, signal: name }));
  child.once('error', () => exit.resolve({ code: null, signal: null }));
  const identity = child.pid === undefined ? null : identify(child.pid);
  if (identity === null) throw new NovaError('vmm_failed', `The agent ${binary} could not be started.`);
  undo.defer(() => terminate(identity, 2000));
  const end = performance.now() + startTimeoutMs;
  while (!existsSync(socket)) {
    throwIfAborted(signal, 'while the agent was starting');
    if (!isAlive(identity) || performance.now() > end) {
      throw new NovaError(
        'vmm_failed',
        `The agent did not start: ${await fileTail(join(spec.directory, vmmLog), 2000)}`,
      );
    }
    await delay(1);
  }
  await log.close();
  undo.move();
  child.unref();
  const record: MachineRecord = {
    driver: 'process',
    id: spec.id,
    ...identity,
    directory: spec.directory,
    socketDirectory: spec.socketDirectory,
    channels: spec.channels,
    cgroup: null,
  };
  return processMachine(record, exit.promise);
}

function processMachine(record: MachineRecord, childExit: Promise<MachineExit> | null): Machine {
  const watcher = new AbortController();
  let exited: Promise<MachineExit> | undefined;
  const machine: Machine = {
    record,
    get exited() {
      exited ??= watchForEnd(record, childExit, watcher.signal);
      return exited;
    },
    connect: (_channel, { signal }): Promise<Duplex> =>
      connectUnixSocket(socketPath(record.socketDirectory, agentSocket), signal),
    stats: () => hostUsage(record.pid),
    stop: async ({ graceMs = 2000 } = {}) => {
      // The agent ends what it has started when it is asked to go.
      await terminate(record, graceMs);
      watcher.abort();
      await rm(record.socketDirectory, { recursive: true, force: true });
    },
    release: () => watcher.abort(),
    [Symbol.asyncDispose]: () => machine.stop(),
  };
  return machine;
}
