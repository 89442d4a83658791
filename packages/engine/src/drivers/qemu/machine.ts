import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { bindable, socketPath } from '../../layout.ts';
import type { Machine, MachineRecord, SnapshotFiles } from '../../ports/vmm-driver.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { channelSocket, qmpSocket } from './config.ts';
import { openQmp, type QmpClient } from './qmp.ts';
import { sealSnapshot, stateFile, writeSnapshot } from './snapshot.ts';

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/** Where a machine will be snapshotted to. */
export interface SnapshotPlan {
  readonly directory: string;
  readonly readOnlyMemory: boolean;
}

/** One QEMU process. The control connection is opened for each operation and given back: QEMU serves one at a time. */
export class QemuMachine extends MachineProcess implements Machine {
  readonly #snapshot: SnapshotPlan | null;

  constructor(record: MachineRecord, snapshot: SnapshotPlan | null) {
    super(record);
    this.#snapshot = snapshot;
  }

  connect(channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectUnixSocket(socketPath(this.record.socketDirectory, channelSocket(channel)), signal);
  }

  pause({ signal }: Cancellable): Promise<void> {
    return this.#control(async (qmp) => {
      try {
        await qmp.execute('stop');
      } catch (error) {
        // One that does not answer now may yet do what it was told, when nobody thinks of it as paused.
        qmp.leave('cont');
        throw error;
      }
    }, signal);
  }

  resume({ signal }: Cancellable): Promise<void> {
    return this.#control(async (qmp) => void (await qmp.execute('cont')), signal);
  }

  standsStill({ signal }: Cancellable): Promise<boolean | 'disk-full'> {
    return this.#control(async (qmp) => {
      const { status } = await qmp.execute<{ readonly status: string }>('query-status');
      return status === 'io-error' ? 'disk-full' : status === 'paused';
    }, signal);
  }

  async snapshot(directory: string, { signal }: Cancellable): Promise<SnapshotFiles> {
    if (this.#snapshot?.directory !== directory)
      throw new NovaError('snapshot_failed', 'The machine was not launched to be snapshotted into that folder.');
    // Not where the VMM makes its sockets: this one is ours.
    const socket = bindable(join(this.record.socketDirectory, 'state'));
    await this.#control((qmp) => writeSnapshot(qmp, socket, join(directory, stateFile)), signal);
    await this.stop();
    sealSnapshot(directory, this.#snapshot.readOnlyMemory);
    return { directory };
  }

  async #control<T>(work: (qmp: QmpClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const socket = await connectUnixSocket(socketPath(this.record.socketDirectory, qmpSocket), signal);
    using qmp = openQmp(socket);
    const onAbort = (): void => qmp[Symbol.dispose]();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await work(qmp);
    } catch (error) {
      if (signal?.aborted === true)
        throw new NovaError('cancelled', 'Cancelled while talking to QEMU.', { cause: error });
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
