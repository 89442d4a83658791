import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { driverFeatures, isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type {
  Machine,
  MachineRecord,
  MachineSpec,
  ProbeOptions,
  SnapshotFiles,
  VmmDriver,
} from '../../ports/vmm-driver.ts';
import { allOf } from '../../vmm/all-of.ts';
import { removeCgroup } from '../../vmm/cgroup.ts';
import { confine, confinerFor } from '../../vmm/confine.ts';
import { requireAccess } from '../../vmm/drive-access.ts';
import { kvmGroups, whyNoKvm } from '../../vmm/kvm.ts';
import { consoleLog, fileTail, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { giveTo, largestFile, memoryGroup } from '../../vmm/ownership.ts';
import type { DriverOptions } from '../../vmm/probe-boot.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { reach } from '../../vmm/reach.ts';
import { removeFolder } from '../../vmm/remove-folder.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { userfaultfdAccess, userfaultfdDevice } from '../../vmm/userfaultfd.ts';
import { bootFiles, devices, kvmDevice, machineFiles, readable, tunDevice } from '../../vmm/visible-files.ts';
import { usersOfVmms } from '../../vmm/vmm-users.ts';
import { createSharedProbe } from '../../vmm/shared-probe.ts';
import { believedMs } from '../../vmm/verdict.ts';
import { vsockChannels } from '../../vmm/vsock-channel.ts';
import { apiSocket, openApi } from './api.ts';
import { cgroupLimits } from './cgroup-limits.ts';
import { kernelLink, memoryRoomMb, vmConfig } from './config.ts';
import { CloudHypervisorMachine } from './machine.ts';
import { probeCloudHypervisor, type CloudHypervisorHost, type CloudHypervisorProbe } from './probe.ts';
import { prepareRestore } from './snapshot.ts';

const features = driverFeatures({
  virtualMachine: true,
  pause: true,
  snapshot: true,
  restore: true,
  liveSnapshot: true,
  onDemandRestore: true,
  tapNetwork: true,
  rateLimits: true,
  balloon: true,
  resize: true,
  hotplug: true,
  firmwareBoot: true,
  hyperv: true,
});

export interface CloudHypervisorOptions extends DriverOptions {
  /** Why there is no KVM, or null; default: what this host says. The tests' stand-in needs none. */
  readonly whyNoKvm?: () => string | null;
}

/** Cloud Hypervisor 52 and later over its REST API. */
export function createCloudHypervisorDriver(options: CloudHypervisorOptions): VmmDriver {
  const shared = createSharedProbe(
    (how) =>
      probeCloudHypervisor({
        whyNoKvm,
        ...options,
        ...how,
        boot: (spec, host, signal) => start(options, spec, host, null, signal),
      }),
    ({ host, doubtful }) => believedMs(host !== null, doubtful),
  );
  const probe = (asked: ProbeOptions = {}): Promise<CloudHypervisorProbe> => shared.ask(asked);
  const host = async (signal?: AbortSignal): Promise<CloudHypervisorHost> => {
    throwIfAborted(signal, 'before the VMM was started');
    const found = await probe({ signal });
    if (found.host === null) throw new NovaError('hypervisor_unavailable', found.reason);
    return found.host;
  };

  return {
    name: 'cloud-hypervisor',
    features,
    async probe(asked = {}) {
      const { host: found, binary, version, reason } = await probe(asked);
      const copied = found === null ? null : whyCopied();
      return {
        available: found !== null,
        accelerator: found === null ? 'none' : 'kvm',
        version,
        binary,
        reason: copied === null ? reason : `${reason}; clones copy their memory when they start: ${copied}`,
      };
    },
    async snapshotKey() {
      const { host: found, version } = await probe();
      return `cloud-hypervisor ${version} kvm ${found?.binary ?? ''} layout 1`;
    },
    launch: async (spec, { signal }) => start(options, spec, await host(signal), null, signal),
    restore: async (spec, snapshot, { signal }) => start(options, spec, await host(signal), snapshot, signal),
    attach: (record) => Promise.resolve(isAlive(record) ? new CloudHypervisorMachine(record) : null),
    endProbes: () => shared.end(),
  };
}

/** Why clones cannot fetch their memory as it is touched; null where they can. */
function whyCopied(): string | null {
  const access = userfaultfdAccess(usersOfVmms()?.lowest ?? null);
  return 'reason' in access ? access.reason : null;
}

/** Starts the VMM and boots its guest, or continues a snapshot. Whatever goes wrong, nothing of it is left but the spec's directory. */
async function start(
  means: DriverOptions,
  spec: MachineSpec,
  host: CloudHypervisorHost,
  snapshot: SnapshotFiles | null,
  signal?: AbortSignal,
): Promise<Machine> {
  throwIfAborted(signal, 'before the VMM was started');
  await using undo = new AsyncDisposableStack();
  const { launcher, users } = means;
  const confiner = await confinerFor(means, signal);
  const groups = kvmGroups();
  const user = groups === null ? null : users.take(undo);
  const uid = user?.uid ?? null;
  for (const drive of spec.drives) requireAccess(drive, uid);

  undo.defer(() => removeCgroup(spec.id));
  await makeSocketDirectory(undo, spec);

  const restoring = join(spec.directory, 'restore');
  // Only for the start.
  await using briefly = new AsyncDisposableStack();
  if (uid !== null) giveTo(uid, spec);
  const hotplugBytes = (spec.memoryMb + memoryRoomMb(spec.memoryMb)) * 1024 * 1024;
  const maxFileBytes = Math.max(largestFile(spec), hotplugBytes) + logBytes;
  const work = [consoleLog, vmmLog].map((log) => makeLog(join(spec.directory, log), maxFileBytes));
  if (snapshot !== null) {
    briefly.defer(() => removeFolder(restoring));
    work.push(prepareRestore(restoring, snapshot, spec, host.landlock));
  } else if (spec.firmware === undefined) {
    briefly.defer(() => rm(kernelLink(spec), { force: true }));
    work.push(symlink(spec.kernel, kernelLink(spec)));
  }
  await allOf(work);

  const access = userfaultfdAccess(uid);
  const faultGroup = 'reason' in access ? null : access.group;
  const confined = confine(
    {
      confiner,
      uid,
      groups: [
        ...(groups ?? []),
        ...(faultGroup === null ? [] : [faultGroup]),
        ...(snapshot === null ? [] : [memoryGroup]),
      ],
      network: spec.network.mode === 'tap' ? { namespace: spec.network.namespace } : 'empty',
      maxFileBytes,
      folder: spec.directory,
      visible: [
        ...machineFiles(spec, spec.drives),
        ...(snapshot === null ? bootFiles(spec) : readable(snapshot.directory)),
        // A network may be added later.
        ...devices(kvmDevice, tunDevice, userfaultfdDevice),
        ...(means.alsoVisible ?? []),
      ],
    },
    [host.binary, '--api-socket', `path=${socketPath(spec.socketDirectory, apiSocket)}`, '--seccomp', 'true'],
  );
  const identity = await spawnVmm(undo, { launcher, spec, ...confined, stdout: consoleLog });
  user?.handTo(identity);
  const { client, cgroup } = await reach({
    spec,
    vmm: identity,
    path: socketPath(spec.socketDirectory, apiSocket),
    open: openApi,
    limits: cgroupLimits(spec),
    signal,
  });
  using api = client;
  try {
    if (snapshot !== null) {
      const mode = 'reason' in access ? 'Copy' : 'OnDemand';
      await api.restore({ source_url: `file://${restoring}`, memory_restore_mode: mode, resume: true }, signal);
    } else {
      // Sent together: they are served in order, and what was not created is not booted.
      await Promise.all([api.create(vmConfig(spec, host.landlock), signal), api.boot(signal)]);
    }
  } catch (error) {
    throwIfAborted(signal, 'while the VMM was starting');
    if (!isNovaError(error, 'vmm_failed')) throw error;
    const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
    throw new NovaError('vmm_failed', said === '' ? error.message : `${error.message}\n${said}`, { cause: error });
  }

  await briefly.disposeAsync();
  undo.move();
  const record: MachineRecord = {
    driver: 'cloud-hypervisor',
    id: spec.id,
    ...identity,
    directory: spec.directory,
    socketDirectory: spec.socketDirectory,
    channels: vsockChannels,
    cgroup,
  };
  return new CloudHypervisorMachine(record);
}
