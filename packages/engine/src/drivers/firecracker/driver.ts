import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { driverFeatures, isNovaError, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineRecord, MachineSpec, ProbeOptions, VmmDriver } from '../../ports/vmm-driver.ts';
import { removeCgroup, vmmLimits } from '../../vmm/cgroup.ts';
import { confinerFor } from '../../vmm/confine.ts';
import { requireAccess } from '../../vmm/drive-access.ts';
import { processesNaming } from '../../vmm/find-processes.ts';
import { kvmGroups, whyNoKvm } from '../../vmm/kvm.ts';
import { consoleLog, fileTail, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { giveTo, largestFile, memoryGroup } from '../../vmm/ownership.ts';
import type { DriverOptions } from '../../vmm/probe-boot.ts';
import { identify, isAlive, type ProcessIdentity } from '../../vmm/process-identity.ts';
import { reach } from '../../vmm/reach.ts';
import { makeSocketDirectory, spawnProcess, spawnVmm } from '../../vmm/spawn.ts';
import { terminate, waitForEnd } from '../../vmm/terminate.ts';
import { createSharedProbe } from '../../vmm/shared-probe.ts';
import { believedMs } from '../../vmm/verdict.ts';
import { vsockChannels } from '../../vmm/vsock-channel.ts';
import { apiSocket, firecrackerApi, type ApiRequest } from './api.ts';
import {
  bootRequests,
  checkSpec,
  commandLine,
  driveFile,
  initramfsFile,
  kernelFile,
  memoryFile,
  restoreRequests,
  startRequest,
  stateFile,
} from './config.ts';
import { makeJail, type JailedFile } from './jail.ts';
import { FirecrackerMachine } from './machine.ts';
import { probeFirecracker, type FirecrackerHost, type FirecrackerProbe } from './probe.ts';

/** MAX_SUPPORTED_VCPUS of Firecracker's machine configuration. */
const maxVcpus = 32;

const features = driverFeatures({
  virtualMachine: true,
  pause: true,
  snapshot: true,
  restore: true,
  sharedMemoryClones: true,
  tapNetwork: true,
  liveSnapshot: true,
  diffSnapshot: true,
  onDemandRestore: true,
  rateLimits: true,
  balloon: true,
});

const own = {
  /** What Firecracker itself needs besides the guest's memory: its heap, and page tables, MiB. */
  memoryMb: 64,
  /** Threads besides the vCPUs: the API, the devices, and those that shut it in before. */
  threads: 64,
};
/** The jailer ends once Firecracker runs, within milliseconds where nothing is wrong. */
const jailerMs = 30_000;

let knownModel: string | undefined;
/** Asked once: it takes the host a millisecond to tell. */
const cpuModel = (): string => (knownModel ??= cpus()[0]?.model ?? '');

export interface FirecrackerOptions extends DriverOptions {
  /** Why there is no KVM, or null; default: what this host says. The tests' stand-in needs none. */
  readonly whyNoKvm?: () => string | null;
  /** Runs it in its jailer where there is one and this process may; default true. The tests' stand-in is a script, which finds nothing in a jail. */
  readonly jailed?: boolean;
}

/** Firecracker 1.16.1 and later over its API. */
export function createFirecrackerDriver(options: FirecrackerOptions): VmmDriver {
  const shared = createSharedProbe(
    (how) =>
      probeFirecracker({
        whyNoKvm,
        jailed: true,
        ...options,
        ...how,
        boot: (spec, host, signal) => launch(options, host, spec, signal),
      }),
    ({ host, doubtful }) => believedMs(host !== null, doubtful),
  );
  const probe = (asked: ProbeOptions = {}): Promise<FirecrackerProbe> => shared.ask(asked);
  const proven = async (signal?: AbortSignal): Promise<FirecrackerHost> => {
    const { host, reason } = await probe({ signal });
    if (host === null) throw new NovaError('hypervisor_unavailable', reason);
    return host;
  };

  return {
    name: 'firecracker',
    features,
    maxVcpus,
    async probe(asked = {}) {
      const { host, binary, version, reason } = await probe(asked);
      return { available: host !== null, accelerator: host === null ? 'none' : 'kvm', version, binary, reason };
    },
    async snapshotKey() {
      const { version } = await probe({});
      // A guest that has seen one CPU must not wake up on another; the format of the state is the version's own.
      return ['firecracker', version, cpuModel(), release(), commandLine([]), 'layout 1'].join('\n');
    },
    launch: async (spec, { signal }) => {
      checkSpec(spec);
      return launch(options, await proven(signal), spec, signal);
    },
    restore: async (spec, { directory }, { signal }) => {
      checkSpec(spec);
      const files = [memoryFile, stateFile].map((name) => ({ name, path: join(directory, name), readOnly: true }));
      return start(options, await proven(signal), spec, {
        files,
        groups: [memoryGroup],
        requests: restoreRequests(spec),
        signal,
      });
    },
    attach: (record) => Promise.resolve(isAlive(record) ? new FirecrackerMachine(record) : null),
    endProbes: () => shared.end(),
  };
}

function launch(
  means: DriverOptions,
  host: FirecrackerHost,
  spec: MachineSpec,
  signal?: AbortSignal,
): Promise<Machine> {
  const files = [
    { name: kernelFile, path: spec.kernel, readOnly: true },
    { name: initramfsFile, path: spec.initramfs, readOnly: true },
  ];
  return start(means, host, spec, { files, groups: [], requests: [...bootRequests(spec), startRequest], signal });
}

interface StartOptions {
  /** Besides the drives. */
  readonly files: readonly JailedFile[];
  readonly groups: readonly number[];
  /** Sent together: Firecracker serves them in order, and one that is refused ends it, whatever became of the next. */
  readonly requests: readonly ApiRequest[];
  readonly signal?: AbortSignal | undefined;
}

/** Starts Firecracker and has it run the guest. Whatever goes wrong, nothing of it is left but the spec's directory. */
async function start(
  means: DriverOptions,
  host: FirecrackerHost,
  spec: MachineSpec,
  options: StartOptions,
): Promise<Machine> {
  const { signal } = options;
  throwIfAborted(signal, 'before the VMM was started');
  await using undo = new AsyncDisposableStack();
  const { launcher, users } = means;
  const confiner = await confinerFor(means, signal);
  // In its jail it has a /dev/kvm of its own, whoever the host's belongs to.
  const groups = host.jailer === null ? kvmGroups() : [];
  const user = groups === null ? null : users.take(undo);
  const uid = user?.uid ?? null;
  for (const drive of spec.drives) requireAccess(drive, uid);

  undo.defer(() => removeCgroup(spec.id));
  await makeSocketDirectory(undo, spec);
  const maxFileBytes = largestFile(spec) + logBytes;
  await makeLog(join(spec.directory, consoleLog), maxFileBytes);
  const jail = await makeJail(undo, {
    spec,
    binary: host.binary,
    jailer: uid === null ? null : host.jailer,
    uid,
    groups: [...(groups ?? []), ...options.groups],
    files: [
      ...options.files,
      ...spec.drives.map(({ path, readOnly }, index) => ({ name: driveFile(index), path, readOnly })),
    ],
    maxFileBytes,
    confiner,
    alsoVisible: means.alsoVisible ?? [],
  });
  if (uid !== null) giveTo(uid, spec);

  undo.defer(() => endAll(spec));
  const start = { launcher, spec, ...jail.confined, cwd: jail.cwd, stdout: consoleLog };
  const identity =
    jail.pidFile === null
      ? await spawnVmm(undo, start)
      : await jailed(await spawnProcess(undo, start), jail.pidFile, spec, signal);
  user?.handTo(identity);
  const { client, cgroup } = await reach({
    spec,
    vmm: identity,
    path: socketPath(spec.socketDirectory, apiSocket),
    open: firecrackerApi,
    limits: vmmLimits(spec, own),
    signal,
  });
  using api = client;
  try {
    await api.send(options.requests, signal);
  } catch (error) {
    if (!isNovaError(error, 'vmm_failed')) throw error;
    const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
    throw new NovaError('vmm_failed', said === '' ? error.message : `${error.message}\n${said}`, { cause: error });
  }
  undo.move();
  const record: MachineRecord = {
    driver: 'firecracker',
    id: spec.id,
    ...identity,
    directory: spec.directory,
    socketDirectory: spec.socketDirectory,
    channels: vsockChannels,
    cgroup,
  };
  return new FirecrackerMachine(record);
}

/** The process that the jailer has put into its own namespace; the jailer itself ends, or has ended already (null). */
async function jailed(
  jailer: ProcessIdentity | null,
  pidFile: string,
  spec: MachineSpec,
  signal?: AbortSignal,
): Promise<ProcessIdentity> {
  if (jailer !== null) await waitForEnd(jailer, jailerMs);
  throwIfAborted(signal, 'while the VMM was starting');
  const pid = Number(await fileTail(pidFile, 32));
  const identity = pid > 0 ? identify(pid) : null;
  if (identity !== null) return identity;
  const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
  throw new NovaError('vmm_failed', `Firecracker did not start in its jail: ${said}`);
}

/** Ends whatever was started for a machine, at whichever step it was. */
async function endAll(spec: MachineSpec): Promise<void> {
  for (const each of processesNaming(spec.socketDirectory)) await terminate(each, 0);
}
