import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { driverFeatures, NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { architectures, guestArchitecture } from '../../architecture.ts';
import { socketPath } from '../../layout.ts';
import type {
  LaunchOptions,
  Machine,
  MachineRecord,
  MachineSpec,
  ProbeOptions,
  VmmDriver,
} from '../../ports/vmm-driver.ts';
import { removeCgroup, vmmLimits } from '../../vmm/cgroup.ts';
import { throwIfAborted } from '../../abort.ts';
import { confine, confinedTo, confinerFor, type VisibleFile } from '../../vmm/confine.ts';
import { kvmGroups } from '../../vmm/kvm.ts';
import { consoleLog, fileTail, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { giveTo, largestFile, letThrough, memoryGroup } from '../../vmm/ownership.ts';
import { patience } from '../../vmm/patience.ts';
import type { DriverOptions } from '../../vmm/probe-boot.ts';
import { reach } from '../../vmm/reach.ts';
import { createSharedProbe, type SharedProbe } from '../../vmm/shared-probe.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { bootFiles, devices, kvmDevice, machineFiles, readable, tunDevice } from '../../vmm/visible-files.ts';
import {
  kernelWords,
  processor,
  qemuArguments,
  qmpSocket,
  stateDescriptor,
  type Accelerator,
  type MemorySource,
} from './config.ts';
import { QemuMachine } from './machine.ts';
import { dialectOf, type QemuDialect } from './dialect.ts';
import { keptForMs, probeQemu, type QemuProbe } from './probe.ts';
import { openQmp, type QmpClient } from './qmp.ts';
import { ignoreSharedMemory, memoryFile, migrationEnd, stateFile } from './snapshot.ts';

const features = driverFeatures({
  virtualMachine: true,
  pause: true,
  snapshot: true,
  restore: true,
  sharedMemoryClones: true,
  onDemandRestore: true,
  userNetwork: true,
  tapNetwork: process.platform === 'linux',
  foreignArchitectures: true,
});

const own = {
  /** What QEMU itself needs besides the guest's memory: translated code, its heap, device buffers, MiB. */
  memoryMb: 256,
  /** Threads of QEMU besides its vCPUs: main loop, RCU, workers of the disks. */
  threads: 128,
};

export function createQemuDriver(options: DriverOptions): VmmDriver {
  const probes = new Map<ArchitectureName, SharedProbe<QemuProbe>>();
  const probe = (asked: ProbeOptions): Promise<QemuProbe> => {
    const architecture = guestArchitecture(asked.architecture).name;
    const shared =
      probes.get(architecture) ??
      createSharedProbe(
        (how) =>
          probeQemu({
            ...options,
            ...how,
            architecture,
            boot: (spec, accelerator, signal) => start(options, spec, accelerator, { kind: 'plain' }, { signal }),
          }),
        keptForMs,
      );
    probes.set(architecture, shared);
    return shared.ask(asked);
  };
  const accelerator = async (
    { architecture }: Pick<MachineSpec, 'architecture'>,
    signal?: AbortSignal,
  ): Promise<Accelerator> => {
    const found = await probe({ signal, architecture });
    if (found.accelerator === null) throw new NovaError('hypervisor_unavailable', found.reason);
    return found.accelerator;
  };

  return {
    name: 'qemu',
    features,
    async probe(asked = {}) {
      const { accelerator: found, version, reason } = await probe(asked);
      return {
        available: found !== null,
        accelerator: found?.name ?? 'none',
        version,
        binary: found?.binary ?? '',
        reason,
      };
    },
    async snapshotKey(architecture) {
      const found = await accelerator({ architecture });
      const { version } = await probe({ architecture });
      const guest = architectures[architecture];
      const made = [version, found.name, found.binary, processor(guest, found), ...kernelWords(guest, found)];
      return `qemu layout 3 ${made.join(' ')}`;
    },
    async launch(spec, launch) {
      const memory: MemorySource =
        launch.snapshotTo === undefined
          ? { kind: 'plain' }
          : { kind: 'template', file: join(launch.snapshotTo, memoryFile) };
      return start(options, spec, await accelerator(spec, launch.signal), memory, launch);
    },
    async restore(spec, snapshot, { signal }) {
      return start(
        options,
        spec,
        await accelerator(spec, signal),
        { kind: 'clone', file: join(snapshot.directory, memoryFile) },
        { signal, stateFrom: snapshot.directory },
      );
    },
    attach(record) {
      return Promise.resolve(isAlive(record) ? new QemuMachine(record, null) : null);
    },
    async endProbes() {
      await Promise.all([...probes.values()].map((shared) => shared.end()));
    },
  };
}

interface StartOptions extends LaunchOptions {
  readonly stateFrom?: string;
}

/** Starts QEMU and waits until it runs. Whatever goes wrong, nothing of it is left but the spec's directory. */
async function start(
  means: DriverOptions,
  spec: MachineSpec,
  accelerator: Accelerator,
  memory: MemorySource,
  options: StartOptions,
): Promise<Machine> {
  const { signal, snapshotTo, stateFrom } = options;
  const { launcher, users } = means;
  throwIfAborted(signal, 'before the VMM was started');
  const dialect = dialectOf(accelerator.version);
  await using undo = new AsyncDisposableStack();
  const confiner = await confinerFor(means, signal);
  const groups = accelerator.name === 'kvm' ? kvmGroups() : [];
  const user = groups === null ? null : users.take(undo);
  const uid = user?.uid ?? null;

  undo.defer(() => removeCgroup(spec.id));
  await makeSocketDirectory(undo, spec);
  if (memory.kind === 'template') await writeFile(memory.file, '', { flag: 'wx', mode: 0o600 });
  if (uid !== null) {
    giveTo(uid, spec, memory.kind === 'template' ? [memory.file] : []);
    if (snapshotTo !== undefined) letThrough(snapshotTo, uid);
  }
  const maxFileBytes = largestFile(spec) + logBytes;
  for (const log of [consoleLog, vmmLog]) await makeLog(join(spec.directory, log), maxFileBytes);

  const confined = confine(
    {
      confiner,
      uid,
      groups: [...(groups ?? []), ...(memory.kind === 'clone' ? [memoryGroup] : [])],
      network: confinedTo(spec.network),
      maxFileBytes,
      folder: spec.directory,
      visible: [...visibleFiles(spec, accelerator, memory), ...(means.alsoVisible ?? [])],
      preload: memory.kind === 'clone' && !dialect.readOnlyMemory ? confiner?.readOnlyMemory : undefined,
      // In the order of their descriptors, of which the first is that of the state.
      descriptors: [
        { path: stateFrom === undefined ? '/dev/null' : join(stateFrom, stateFile), readOnly: true },
        ...spec.drives.filter(({ foreign }) => foreign),
      ],
    },
    [accelerator.binary, ...qemuArguments(spec, accelerator, memory)],
  );
  const identity = await spawnVmm(undo, { launcher, spec, ...confined, stdout: consoleLog });
  user?.handTo(identity);

  const { client, cgroup } = await reach({
    spec,
    vmm: identity,
    path: socketPath(spec.socketDirectory, qmpSocket),
    open: (socket) => openQmp(socket, patience.startMs),
    limits: vmmLimits(spec, own),
    signal,
  });
  using qmp = client;
  const onAbort = (): void => qmp[Symbol.dispose]();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await (memory.kind === 'clone' ? load(qmp, dialect) : qmp.execute('query-status'));
  } catch (error) {
    throwIfAborted(signal, 'while the VMM was starting');
    const said = (await fileTail(join(spec.directory, vmmLog), 2000)).trim();
    const reason = error instanceof Error ? error.message : String(error);
    throw new NovaError(
      'vmm_failed',
      `QEMU ${accelerator.version} did not start: ${reason}${said === '' ? '' : ` Its log: ${said}`}`,
      { cause: error },
    );
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }

  undo.move();
  const record: MachineRecord = {
    driver: 'qemu',
    id: spec.id,
    ...identity,
    directory: spec.directory,
    socketDirectory: spec.socketDirectory,
    channels: spec.channels,
    cgroup,
  };
  const { readOnlyMemory } = dialect;
  const snapshot = snapshotTo === undefined ? null : { directory: snapshotTo, readOnlyMemory };
  return new QemuMachine(record, snapshot);
}

/** The files that QEMU opens by their names. */
function visibleFiles(spec: MachineSpec, { name }: Accelerator, memory: MemorySource): VisibleFile[] {
  return [
    ...machineFiles(
      spec,
      spec.drives.filter(({ foreign }) => !foreign),
    ),
    ...(memory.kind === 'clone' ? readable(memory.file) : bootFiles(spec)),
    ...(memory.kind === 'template' ? [{ path: dirname(memory.file), how: 'write' } as const] : []),
    ...(name === 'kvm' ? devices(kvmDevice) : []),
    ...(spec.network.mode === 'tap' ? devices(tunDevice) : []),
    // Its own resolver asks the host's.
    ...(spec.network.mode === 'user' ? readable('/etc/resolv.conf').filter(({ path }) => existsSync(path)) : []),
  ];
}

/** Loads the device state; the clone runs from then on. */
async function load(qmp: QmpClient, dialect: QemuDialect): Promise<void> {
  const ready = qmp.execute('migrate-set-capabilities', {
    capabilities: [...ignoreSharedMemory.capabilities, { capability: 'events', state: true }],
  });
  // Sent together: QEMU runs commands in order, and waiting for each answer would cost a wake-up apiece.
  const incoming = qmp.execute('migrate-incoming', { uri: dialect.state(stateDescriptor).uri });
  await Promise.all([ready, incoming]);
  await migrationEnd(qmp);
}
