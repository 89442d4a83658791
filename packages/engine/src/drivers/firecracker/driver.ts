import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { driverFeatures, NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../../abort.ts';
import { socketPath } from '../../layout.ts';
import type { Machine, MachineSpec, VmmDriver } from '../../ports/vmm-driver.ts';
import { removeCgroup, vmmLimits } from '../../vmm/cgroup.ts';
import { confinerFor } from '../../vmm/confine.ts';
import { requireAccess } from '../../vmm/drive-access.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { processesNaming } from '../../vmm/find-processes.ts';
import { kvmGroups } from '../../vmm/kvm.ts';
import { lastWords, withLastWords } from '../../vmm/last-words.ts';
import { consoleLog, fileTail, logBytes, makeLog } from '../../vmm/logs.ts';
import { machineRecord } from '../../vmm/machine-record.ts';
import { giveTo, largestFile, memoryGroup } from '../../vmm/ownership.ts';
import { createProver, probeOf } from '../../vmm/prove.ts';
import { identify, isAlive, type ProcessIdentity } from '../../vmm/process-identity.ts';
import { reach } from '../../vmm/reach.ts';
import { makeSocketDirectory, spawnProcess, spawnVmm } from '../../vmm/spawn.ts';
import { terminate, waitForEnd } from '../../vmm/terminate.ts';
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
import { probeFirecracker, type FirecrackerHost } from './probe.ts';

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
  growDrives: true,
  rateLimits: true,
  balloon: true,
});

const own = {
  /** Memory that Firecracker itself needs besides the guest's: its heap and page tables, MiB. */
  memoryMb: 64,
  /** Threads besides the vCPUs: the API, the devices, and the programs that confine it at the start. */
  threads: 64,
};
/** The jailer ends once Firecracker runs, within milliseconds where nothing is wrong. */
const jailerMs = 30_000;

let knownModel: string | undefined;
/** The model is read once, because reading takes a millisecond. */
const cpuModel = (): string => (knownModel ??= cpus()[0]?.model ?? '');

/** Firecracker 1.16.1 and later over its API. */
export function createFirecrackerDriver(options: DriverOptions): VmmDriver {
  const prover = createProver((asked) =>
    probeFirecracker({ ...options, ...asked }, (spec, host, signal) => launch(options, host, spec, signal)),
  );

  return {
    name: 'firecracker',
    features,
    maxVcpus,
    probe: async (asked = {}) => probeOf(await prover.ask(asked), 'kvm'),
    async snapshotKey() {
      const { version } = await prover.ask({});
      // A guest must not continue on another CPU model, and the format of the state depends on the version.
      return ['firecracker', version, cpuModel(), release(), commandLine([]), 'layout 1'].join('\n');
    },
    launch: async (spec, { signal }) => {
      checkSpec(spec);
      return launch(options, await prover.require({ signal }), spec, signal);
    },
    restore: async (spec, { directory }, { signal }) => {
      checkSpec(spec);
      const files = [memoryFile, stateFile].map((name) => ({ name, path: join(directory, name), readOnly: true }));
      return start(options, await prover.require({ signal }), spec, {
        files,
        groups: [memoryGroup],
        requests: restoreRequests(spec),
        signal,
      });
    },
    attach: (record) => Promise.resolve(isAlive(record) ? new FirecrackerMachine(record) : null),
    endProbes: () => prover.end(),
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
  /** The files that it sees besides the drives. */
  readonly files: readonly JailedFile[];
  readonly groups: readonly number[];
  /** They are sent at once: Firecracker serves them in order, and ends when it refuses one. */
  readonly requests: readonly ApiRequest[];
  readonly signal?: AbortSignal | undefined;
}

/** Starts Firecracker and has it run the guest. After an error nothing is left but the spec's directory. */
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
  // In its jail it has a /dev/kvm of its own, so the owner of the host's does not matter.
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
  await withLastWords(spec, signal, () => api.send(options.requests, signal));
  undo.move();
  return new FirecrackerMachine(machineRecord('firecracker', spec, identity, { channels: vsockChannels, cgroup }));
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
  throw new NovaError('vmm_failed', `Firecracker did not start in its jail: ${await lastWords(spec)}`);
}

/** Ends all processes that were started for a machine, whichever step the start had reached. */
async function endAll(spec: MachineSpec): Promise<void> {
  for (const each of processesNaming(spec.socketDirectory)) await terminate(each, 0);
}
