import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type { Cancellable, Machine, SnapshotFiles } from '../../ports/vmm-driver.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { isUnanswered } from '../../vmm/patience.ts';
import { connectAgent } from '../../vmm/vsock-channel.ts';
import { removeFolder } from '../../vmm/remove-folder.ts';
import { isAtLeast } from '../../vmm/verdict.ts';
import { openApi, type ApiRequest, type FirecrackerApi } from './api.ts';
import { balloonRequest, driveRequest, pauseRequest, resumeRequest, snapshotRequest, vsockSocket } from './config.ts';
import { jailFolder, outFolder } from './jail.ts';
import { takeSnapshot } from './snapshot.ts';

/** The first version whose vsock survives a pause without a snapshot (#6100 of its repository). */
const pauseKeepsVsockFrom = '1.17.0';

/** One Firecracker process. */
export class FirecrackerMachine extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectAgent(socketPath(this.record.socketDirectory, vsockSocket), this.record, signal);
  }

  async pause({ signal }: Cancellable): Promise<void> {
    using api = await openApi(this.record.socketDirectory, signal);
    try {
      await api.send([pauseRequest], signal);
    } catch (error) {
      // Firecracker may still pause later, although the record says that the machine runs; so it is told to resume.
      if (isUnanswered(error)) api.leave(resumeRequest);
      throw error;
    }
  }

  async resume({ signal }: Cancellable): Promise<void> {
    using api = await openApi(this.record.socketDirectory, signal);
    await resume(api, signal);
  }

  async snapshot(
    directory: string,
    { signal, kind = 'full' }: Cancellable & { readonly kind?: 'full' | 'diff' },
  ): Promise<SnapshotFiles> {
    using api = await openApi(this.record.socketDirectory, signal);
    const running = (await api.instance(signal)).state === 'Running';
    if (running) await api.send([pauseRequest], signal);
    try {
      await takeSnapshot(api, this.record, directory, kind, signal);
    } finally {
      if (running) await this.#send(resumeRequest);
    }
    return { directory };
  }

  setBalloon(reclaimMb: number, { signal }: Cancellable): Promise<void> {
    return this.#send(balloonRequest(reclaimMb), signal);
  }

  growDrive(index: number, _bytes: number, { signal }: Cancellable): Promise<void> {
    return this.#send(driveRequest(index), signal);
  }

  /**
   * Stops without grace: Firecracker has nothing to write when it ends, and as the first process of its namespace it
   * ignores SIGTERM.
   */
  override async stop(): Promise<void> {
    await super.stop();
    for (const folder of [jailFolder, outFolder]) await removeFolder(join(this.record.directory, folder));
  }

  async #send(request: ApiRequest, signal?: AbortSignal): Promise<void> {
    using api = await openApi(this.record.socketDirectory, signal);
    await api.send([request], signal);
  }
}

/**
 * Before 1.17 Firecracker delivers nothing to the guest after a pause until the guest has acknowledged a reset of its
 * vsock device, which only a snapshot announces. A snapshot that cannot be written announces it as well, and fails at
 * once.
 */
async function resume(api: FirecrackerApi, signal?: AbortSignal): Promise<void> {
  const { state, vmm_version: version } = await api.instance(signal);
  if (state === 'Running') return;
  if (!isAtLeast(version, pauseKeepsVsockFrom)) {
    await api.send([snapshotRequest('nowhere', 'full')], signal).then(
      () => {
        throw new NovaError('vmm_failed', 'Firecracker wrote a snapshot to a folder that does not exist.');
      },
      (error: unknown) => {
        if (signal?.aborted === true) throw error;
      },
    );
  }
  await api.send([resumeRequest], signal);
}
