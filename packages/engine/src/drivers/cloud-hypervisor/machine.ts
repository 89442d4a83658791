import { randomBytes } from 'node:crypto';
import { chown, link, mkdtemp, rename, rm } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import { socketPath } from '../../layout.ts';
import type { Cancellable, Drive, Machine, SnapshotFiles, TapNetwork } from '../../ports/vmm-driver.ts';
import { limitCgroup } from '../../vmm/cgroup.ts';
import { seesItsFilesAlone } from '../../vmm/confine.ts';
import { MachineProcess } from '../../vmm/machine-process.ts';
import { giveFile, sealSnapshotFiles, vmmUser } from '../../vmm/ownership.ts';
import { isUnanswered } from '../../vmm/patience.ts';
import { removeFolder } from '../../vmm/remove-folder.ts';
import { connectUnixSocket } from '../../vmm/unix-socket.ts';
import { connectAgent } from '../../vmm/vsock-channel.ts';
import { apiSocket, openApi, type CloudHypervisorApi, type VmInfo } from './api.ts';
import { diskConfig, driveId, memoryStepMb, tapConfig, vsockSocket } from './config.ts';
import { cgroupLimits } from './cgroup-limits.ts';
import { snapshotFiles } from './snapshot.ts';

const mebibyte = 1024 * 1024;

/**
 * One Cloud Hypervisor process. SIGTERM makes it write its disks and exit, as `vmm.shutdown` does, so it serves as the
 * polite stop.
 */
export class CloudHypervisorMachine extends MachineProcess implements Machine {
  connect(_channel: number, { signal }: Cancellable): Promise<Duplex> {
    return connectAgent(socketPath(this.record.socketDirectory, vsockSocket), this.record, signal);
  }

  pause({ signal }: Cancellable): Promise<void> {
    return this.#control(signal, async (api) => this.#into('Paused', api, () => api.pause(signal), signal));
  }

  resume({ signal }: Cancellable): Promise<void> {
    return this.#control(signal, async (api) => this.#into('Running', api, () => api.resume(signal), signal));
  }

  /**
   * The VMM writes the snapshot into the machine's folder, where it may write; the files are then moved to their place.
   */
  async snapshot(directory: string, { signal }: Cancellable): Promise<SnapshotFiles> {
    await using undo = new AsyncDisposableStack();
    const work = await mkdtemp(join(this.record.directory, 'snapshot-'));
    undo.defer(() => removeFolder(work));
    const { uid, gid } = vmmUser(this.record.socketDirectory);
    await chown(work, uid, gid);
    await this.#control(signal, async (api) => {
      const running = (await api.info(signal)).state === 'Running';
      if (running) await api.pause(signal);
      try {
        await api.snapshot(work, signal);
      } finally {
        // The machine goes on as before, also after an abort.
        if (running) await api.resume();
      }
    });
    const files = Object.values(snapshotFiles);
    for (const file of files) await rename(join(work, file), join(directory, file));
    sealSnapshotFiles(directory, Object.fromEntries(files.map((file) => [file, 0o440])));
    return { directory };
  }

  resize(
    { vcpus, memoryMb }: { readonly vcpus?: number | undefined; readonly memoryMb?: number | undefined },
    { signal }: Cancellable,
  ): Promise<void> {
    return this.#control(signal, async (api) => {
      const { config } = await api.info(signal);
      checkResize(config, vcpus, memoryMb);
      const wanted = { vcpus: vcpus ?? config.cpus.boot_vcpus, memoryMb: memoryMb ?? config.memory.size / mebibyte };
      if (this.record.cgroup !== null) await limitCgroup(this.record.cgroup, cgroupLimits(wanted));
      await api.resize(
        {
          ...(vcpus === undefined ? {} : { desired_vcpus: vcpus }),
          ...(memoryMb === undefined ? {} : { desired_ram: memoryMb * mebibyte }),
        },
        signal,
      );
    });
  }

  setBalloon(reclaimMb: number, { signal }: Cancellable): Promise<void> {
    return this.#control(signal, (api) => api.resize({ desired_balloon: reclaimMb * mebibyte }, signal));
  }

  growDrive(index: number, bytes: number, { signal }: Cancellable): Promise<void> {
    return this.#control(signal, (api) => api.resizeDisk(driveId(index), bytes, signal));
  }

  addDrive(drive: Drive, { signal }: Cancellable): Promise<string> {
    const name = `hot${randomBytes(4).toString('hex')}`;
    return this.#control(signal, async (api) => {
      const { config } = await api.info(signal);
      const { uid, gid } = vmmUser(this.record.socketDirectory);
      if (!drive.readOnly && !drive.foreign) giveFile(drive.path, uid, gid);
      await using undo = new AsyncDisposableStack();
      const path =
        config.landlock_enable || seesItsFilesAlone(this.record.pid)
          ? await this.#within(undo, name, drive.path)
          : drive.path;
      // The guest finds the drive by its serial number.
      await api.addDisk({ ...diskConfig(name, { ...drive, path }), serial: name }, signal);
      return name;
    });
  }

  addNetwork(network: TapNetwork, { signal }: Cancellable): Promise<void> {
    return this.#control(signal, async (api) => {
      const { config } = await api.info(signal);
      if ((config.net ?? []).length > 0) return;
      // Each network gets a new name, because the guest may still be releasing the previous device.
      await api.addNet(tapConfig(`net${randomBytes(4).toString('hex')}`, network), signal);
    });
  }

  removeNetwork({ signal }: Cancellable): Promise<void> {
    return this.#control(signal, async (api) => {
      const { config } = await api.info(signal);
      for (const { id } of config.net ?? []) await api.removeDevice(id, signal);
    });
  }

  removeDevice(name: string, { signal }: Cancellable): Promise<void> {
    return this.#control(signal, (api) => api.removeDevice(name, signal));
  }

  /**
   * Makes a name for a file in the machine's folder. A VMM with its own root, or behind Landlock, can open files only
   * there.
   */
  async #within(undo: AsyncDisposableStack, name: string, path: string): Promise<string> {
    if (path.startsWith(`${this.record.directory}/`)) return path;
    const linked = join(this.record.directory, name);
    try {
      await link(path, linked);
    } catch (error) {
      throw new NovaError(
        'invalid_argument',
        `${path} cannot be added to a running sandbox: Cloud Hypervisor is confined to the sandbox's folder, and the file cannot be linked into it.`,
        {
          cause: error,
          hint: 'Put the image on the file system of the state folder, or give it as an extra drive at the start.',
        },
      );
    }
    // The VMM has opened the file by then, and no longer needs the name.
    undo.defer(() => rm(linked, { force: true }));
    return linked;
  }

  /** A machine that is in the wanted state already refuses the change; that is no error. */
  async #into(
    state: VmInfo['state'],
    api: CloudHypervisorApi,
    change: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await change();
    } catch (error) {
      if (!isNovaError(error, 'vmm_failed') || isUnanswered(error) || (await api.info(signal)).state !== state)
        throw error;
    }
  }

  async #control<T>(signal: AbortSignal | undefined, work: (api: CloudHypervisorApi) => Promise<T>): Promise<T> {
    using api = openApi(await connectUnixSocket(socketPath(this.record.socketDirectory, apiSocket), signal));
    return await work(api);
  }
}

function checkResize(config: VmInfo['config'], vcpus: number | undefined, memoryMb: number | undefined): void {
  const { max_vcpus: maxVcpus } = config.cpus;
  if (vcpus !== undefined && (vcpus < 1 || vcpus > maxVcpus))
    throw new NovaError(
      'invalid_argument',
      `vcpus: ${vcpus} is not within 1 to ${maxVcpus}, which it was started for.`,
    );
  if (memoryMb === undefined) return;
  const currentMb = config.memory.size / mebibyte;
  if (memoryMb < currentMb)
    throw new NovaError(
      'invalid_argument',
      `memoryMb: ${memoryMb} is less than the ${currentMb} MiB it has; memory of a running guest can only grow.`,
      { hint: 'Start a sandbox with less memory.' },
    );
  if ((memoryMb - currentMb) % memoryStepMb !== 0) {
    const steps = Math.floor((memoryMb - currentMb) / memoryStepMb);
    const [below, above] = [steps, steps + 1].map((count) => currentMb + count * memoryStepMb);
    throw new NovaError(
      'invalid_argument',
      `memoryMb: memory grows in steps of ${memoryStepMb} MiB from ${currentMb}: ${below} or ${above}, not ${memoryMb}.`,
    );
  }
}
