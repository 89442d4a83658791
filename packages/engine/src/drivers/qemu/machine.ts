import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type {
  Cancellable,
  Machine,
  MachineRecord,
  PreparedSnapshot,
  SnapshotFiles,
  SnapshotOptions,
} from '../../ports/vmm-driver.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { channelSocket, driveId, qmpSocket } from './config.ts';
import { letRun } from './let-run.ts';
import { openQmp, type QmpClient } from './qmp.ts';
import { captureMachine, prepareCapture } from './live/capture.ts';
import { sealSnapshot } from './snapshot.ts';

export interface QemuMachineOptions {
  readonly templateIn?: string | null | undefined;
  /** Whether its version opens the memory of clones read-only. */
  readonly readOnlyMemory?: boolean;
}

/** One QEMU process. The control connection is opened for each operation and given back: QEMU serves one at a time. */
export class QemuMachine extends MachineProcess implements Machine {
  /**
   * Folder in which the guest's memory is a file already, because it was launched to become a template; null otherwise.
   */
  readonly #templateIn: string | null;
  readonly #readOnlyMemory: boolean;

  constructor(record: MachineRecord, { templateIn = null, readOnlyMemory = false }: QemuMachineOptions) {
    super(record);
    this.#templateIn = templateIn;
    this.#readOnlyMemory = readOnlyMemory;
  }

  connect(channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectUnixSocket(socketPath(this.record.socketDirectory, channelSocket(channel)), signal);
  }

  pause({ signal }: Cancellable): Promise<void> {
    return this.#control(async (qmp) => {
      try {
        await qmp.execute('stop');
      } catch (error) {
        // A VMM that does not answer now may still pause later, although the record says that it runs; so it is told to
        // go on.
        qmp.leave('cont');
        throw error;
      }
    }, signal);
  }

  resume({ signal }: Cancellable): Promise<void> {
    return this.#control(letRun, signal);
  }

  standsStill({ signal }: Cancellable): Promise<boolean | 'disk-full'> {
    return this.#control(async (qmp) => {
      const { status } = await qmp.execute<{ readonly status: string }>('query-status');
      return status === 'io-error' ? 'disk-full' : status === 'paused' || status === 'postmigrate';
    }, signal);
  }

  growDrive(index: number, bytes: number, { signal }: Cancellable): Promise<void> {
    return this.#control(
      async (qmp) => void (await qmp.execute('block_resize', { device: driveId(index), size: bytes })),
      signal,
    );
  }

  async snapshot(directory: string, options: SnapshotOptions): Promise<SnapshotFiles> {
    await using prepared = await this.#prepare(directory, options);
    return await prepared.write();
  }

  prepareSnapshot(directory: string, options: Pick<SnapshotOptions, 'memoryFolders'>): Promise<PreparedSnapshot> {
    return this.#prepare(directory, options);
  }

  async #prepare(directory: string, { signal, memoryFolders }: SnapshotOptions): Promise<PreparedSnapshot> {
    const template = this.#templateIn === directory;
    const capture = await prepareCapture(this.record, directory, { template, memoryFolders });
    return {
      files: capture.memory.memoryFrom === null ? null : { directory, memoryFrom: capture.memory.memoryFrom },
      write: async () => {
        // An abort must not end the connection, over which the guest is told to go on.
        await this.#control((qmp) => captureMachine(qmp, this.record, capture, signal));
        if (template) await this.stop();
        const { name, memoryFrom } = capture.memory;
        sealSnapshot(directory, name, this.#readOnlyMemory);
        return { directory, ...(memoryFrom === null ? {} : { memoryFrom }) };
      },
      [Symbol.asyncDispose]: () => capture[Symbol.asyncDispose](),
    };
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
