import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { driverFeatures } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineSpec, SnapshotFiles, VmmDriver } from '../../ports/vmm-driver.ts';
import { allOf } from '../../vmm/all-of.ts';
import { removeCgroup } from '../../vmm/cgroup.ts';
import { confine, confinedTo, confinerFor } from '../../vmm/confine.ts';
import { requireAccess } from '../../vmm/drive-access.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { kvmGroups } from '../../vmm/kvm.ts';
import { withLastWords } from '../../vmm/last-words.ts';
import { consoleLog, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { machineRecord } from '../../vmm/machine-record.ts';
import { giveTo, largestFile, memoryGroup } from '../../vmm/ownership.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { createProver, probeOf } from '../../vmm/prove.ts';
import { reach } from '../../vmm/reach.ts';
import { removeFolder } from '../../vmm/remove-folder.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { userfaultfdAccess, userfaultfdDevice } from '../../vmm/userfaultfd.ts';
import { bootFiles, devices, kvmDevice, machineFiles, readable, tunDevice } from '../../vmm/visible-files.ts';
import { usersOfVmms } from '../../vmm/vmm-users.ts';
import { vsockChannels } from '../../vmm/vsock-channel.ts';
import { apiSocket, openApi } from './api.ts';
import { cgroupLimits } from './cgroup-limits.ts';
import { kernelLink, memoryRoomMb, vmConfig } from './config.ts';
import { CloudHypervisorMachine } from './machine.ts';
import { probeCloudHypervisor, type CloudHypervisorHost } from './probe.ts';
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
  growDrives: true,
  hotplug: true,
  firmwareBoot: true,
  hyperv: true,
});

/** Cloud Hypervisor 52 and later over its REST API. */
export function createCloudHypervisorDriver(options: DriverOptions): VmmDriver {
  const prover = createProver((asked) =>
    probeCloudHypervisor({ ...options, ...asked }, (spec, host, signal) => start(options, spec, host, null, signal)),
  );

  return {
    name: 'cloud-hypervisor',
    features,
    async probe(asked = {}) {
      const probe = probeOf(await prover.ask(asked), 'kvm');
      const copied = probe.available ? whyCopied() : null;
      if (copied === null) return probe;
      return { ...probe, reason: `${probe.reason}; clones copy their memory when they start: ${copied}` };
    },
    async snapshotKey() {
      const { how, version } = await prover.ask({});
      return `cloud-hypervisor ${version} kvm ${how?.binary ?? ''} layout 1`;
    },
    launch: async (spec, { signal }) => start(options, spec, await prover.require({ signal }), null, signal),
    restore: async (spec, snapshot, { signal }) =>
      start(options, spec, await prover.require({ signal }), snapshot, signal),
    attach: (record) => Promise.resolve(isAlive(record) ? new CloudHypervisorMachine(record) : null),
    endProbes: () => prover.end(),
  };
}

/** Returns why clones cannot fetch their memory on demand; null where they can. */
function whyCopied(): string | null {
  const access = userfaultfdAccess(usersOfVmms()?.lowest ?? null);
  return 'reason' in access ? access.reason : null;
}

/**
 * Starts the VMM and boots its guest, or continues a snapshot. After an error nothing is left but the spec's directory.
 */
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
  // These files are needed only for the start.
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
      network: spec.network.mode === 'tap' ? confinedTo(spec.network) : 'empty',
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
  await withLastWords(spec, signal, async () => {
    if (snapshot !== null) {
      const mode = 'reason' in access ? 'Copy' : 'OnDemand';
      await api.restore({ source_url: `file://${restoring}`, memory_restore_mode: mode, resume: true }, signal);
    } else {
      // Both are sent at once, because the VMM serves them in order, and boots nothing that it has not created.
      await Promise.all([api.create(vmConfig(spec, host.landlock), signal), api.boot(signal)]);
    }
  });

  await briefly.disposeAsync();
  undo.move();
  const record = machineRecord('cloud-hypervisor', spec, identity, { channels: vsockChannels, cgroup });
  return new CloudHypervisorMachine(record);
}
