import type { Duplex } from 'node:stream';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineExit, MachineRecord, SnapshotFiles } from '../../ports/vmm-driver.ts';
import { removeCgroup } from '../../vmm/cgroup.ts';
import { hostUsage } from '../../vmm/host-usage.ts';
import { terminate } from '../../vmm/terminate.ts';
import { watchForEnd } from '../../vmm/watch-for-end.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { channelSocket, qmpSocket } from './config.ts';
import { openQmpSocket, type QmpClient } from './qmp.ts';
import { sealSnapshot, stateFile, writeSnapshot } from './snapshot.ts';

export interface QemuMachineOptions {
  readonly record: MachineRecord;
  /** Settles at the end of the process where it is our child; null: it is somebody else's and is looked at. */
  readonly childExit: Promise<MachineExit> | null;
  /** Where it will be snapshotted to. */
  readonly snapshot: { readonly directory: string; readonly readOnlyMemory: boolean } | null;
}

/** One QEMU process. The control connection is opened for each operation and given back: QEMU serves one at a time. */
export function qemuMachine({ record, childExit, snapshot }: QemuMachineOptions): Machine {
  const control = async <T>(work: (qmp: QmpClient) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    const socket = await connectUnixSocket(socketPath(record.socketDirectory, qmpSocket), signal);
    const qmp = openQmpSocket(socket);
    const onAbort = (): void => qmp.close();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await work(qmp);
    } catch (error) {
      if (signal?.aborted === true)
        throw new NovaError('cancelled', 'Cancelled while talking to QEMU.', { cause: error });
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      qmp.close();
    }
  };

  const watcher = new AbortController();
  let exited: Promise<MachineExit> | undefined;
  const machine: Machine = {
    record,
    get exited() {
      exited ??= watchForEnd(record, childExit, watcher.signal);
      return exited;
    },
    connect: (channel, { signal }): Promise<Duplex> =>
      connectUnixSocket(socketPath(record.socketDirectory, channelSocket(channel)), signal),
    pause: ({ signal }) => control(async (qmp) => void (await qmp.execute('stop')), signal),
    resume: ({ signal }) => control(async (qmp) => void (await qmp.execute('cont')), signal),
    snapshot: async ({ signal }): Promise<SnapshotFiles> => {
      if (snapshot === null) throw new NovaError('snapshot_failed', 'The machine was not launched to be snapshotted.');
      const socket = socketPath(record.socketDirectory, 'state');
      await control((qmp) => writeSnapshot(qmp, socket, join(snapshot.directory, stateFile)), signal);
      await machine.stop();
      await sealSnapshot(snapshot.directory, snapshot.readOnlyMemory);
      return { directory: snapshot.directory };
    },
    stats: () => hostUsage(record.pid),
    stop: async ({ graceMs = 0 } = {}) => {
      // SIGTERM makes QEMU flush its disks and leave; the guest was asked before, by the engine.
      await terminate(record, graceMs);
      watcher.abort();
      await rm(record.socketDirectory, { recursive: true, force: true });
      if (record.cgroup !== null) await removeCgroup(record.cgroup);
    },
    release() {
      watcher.abort();
    },
    [Symbol.asyncDispose]: () => machine.stop(),
  };
  return machine;
}
