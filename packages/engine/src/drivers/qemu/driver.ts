import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { driverFeatures, NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { architectures, guestArchitecture } from '../../architecture.ts';
import { socketPath } from '../../layout.ts';
import type { LaunchOptions, Machine, MachineSpec, RestoreOptions, VmmDriver } from '../../ports/vmm-driver.ts';
import { removeCgroup, vmmLimits } from '../../vmm/cgroup.ts';
import { throwIfAborted } from '../../abort.ts';
import { confine, confinedTo, confinerFor, type VisibleFile } from '../../vmm/confine.ts';
import type { DriverOptions } from '../../vmm/driver-options.ts';
import { kvmGroups } from '../../vmm/kvm.ts';
import { withLastWords } from '../../vmm/last-words.ts';
import { consoleLog, logBytes, makeLog, vmmLog } from '../../vmm/logs.ts';
import { machineRecord } from '../../vmm/machine-record.ts';
import { isAlive } from '../../vmm/process-identity.ts';
import { giveTo, largestFile, letThrough, memoryGroup } from '../../vmm/ownership.ts';
import { patience } from '../../vmm/patience.ts';
import { createProver, probeOf, type Prover } from '../../vmm/prove.ts';
import { reach } from '../../vmm/reach.ts';
import { makeSocketDirectory, spawnVmm } from '../../vmm/spawn.ts';
import { bootFiles, devices, kvmDevice, machineFiles, readable, tunDevice } from '../../vmm/visible-files.ts';
import {
  firstDriveDescriptor,
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
import { probeQemu } from './probe.ts';
import { openQmp, type QmpClient } from './qmp.ts';
import { freeChannels } from './live/channels.ts';
import { mappedPages, requireMappedPages } from './live/mapped-pages.ts';
import { pagesFile } from './live/pages-file.ts';
import { ignoreSharedMemory, memoryFile, migrationEnd, stateFile } from './snapshot.ts';

const features = driverFeatures({
  virtualMachine: true,
  pause: true,
  snapshot: true,
  restore: true,
  sharedMemoryClones: true,
  exchangeableDrives: true,
  growDrives: true,
  liveSnapshot: true,
  onDemandRestore: true,
  userNetwork: true,
  tapNetwork: process.platform === 'linux',
  foreignArchitectures: true,
});

const own = {
  /** Memory that QEMU itself needs besides the guest's: translated code, its heap, device buffers, MiB. */
  memoryMb: 256,
  /** Threads of QEMU besides its vCPUs: main loop, RCU, workers of the disks. */
  threads: 128,
};

export function createQemuDriver(options: DriverOptions): VmmDriver {
  const provers = new Map<ArchitectureName, Prover<Accelerator>>();
  const proverFor = (wanted: ArchitectureName | undefined): Prover<Accelerator> => {
    const architecture = guestArchitecture(wanted).name;
    const boot = (spec: MachineSpec, accelerator: Accelerator, signal: AbortSignal): Promise<Machine> =>
      start(options, spec, accelerator, { kind: 'plain' }, { signal });
    const prover =
      provers.get(architecture) ?? createProver((asked) => probeQemu({ ...options, ...asked, architecture, boot }));
    provers.set(architecture, prover);
    return prover;
  };
  const accelerator = (
    { architecture }: Pick<MachineSpec, 'architecture'>,
    signal?: AbortSignal,
  ): Promise<Accelerator> => proverFor(architecture).require({ signal });

  return {
    name: 'qemu',
    features,
    async probe(asked = {}) {
      const proof = await proverFor(asked.architecture).ask(asked);
      return probeOf(proof, proof.how?.name ?? 'none');
    },
    async snapshotKey(architecture) {
      const found = await accelerator({ architecture });
      const guest = architectures[architecture];
      const made = [found.version, found.name, found.binary, processor(guest, found), ...kernelWords(guest, found)];
      return `qemu layout 3 ${made.join(' ')}`;
    },
    async launch(spec, launch) {
      const memory: MemorySource =
        launch.snapshotTo === undefined
          ? { kind: 'plain' }
          : { kind: 'template', file: join(launch.snapshotTo, memoryFile) };
      return start(options, spec, await accelerator(spec, launch.signal), memory, launch);
    },
    async restore(spec, snapshot, { signal, whole }) {
      return start(
        options,
        spec,
        await accelerator(spec, signal),
        {
          kind: 'clone',
          file: join(snapshot.memoryFrom ?? snapshot.directory, memoryFile),
          pages: snapshot.memoryFrom === undefined ? undefined : join(snapshot.directory, pagesFile),
        },
        { signal, stateFrom: snapshot.directory, whole },
      );
    },
    attach(record) {
      return Promise.resolve(isAlive(record) ? new QemuMachine(record, {}) : null);
    },
    async endProbes() {
      await Promise.all([...provers.values()].map((prover) => prover.end()));
    },
  };
}

interface StartOptions extends LaunchOptions, Pick<RestoreOptions, 'whole'> {
  readonly stateFrom?: string;
}

/** Starts QEMU and waits until it runs. After an error nothing is left but the spec's directory. */
async function start(
  means: DriverOptions,
  spec: MachineSpec,
  accelerator: Accelerator,
  memory: MemorySource,
  options: StartOptions,
): Promise<Machine> {
  const { signal, snapshotTo, stateFrom, whole } = options;
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
  const foreignDrives = spec.drives.filter(({ foreign }) => foreign);
  const pagesPath = memory.kind === 'clone' ? memory.pages : undefined;
  const pages =
    pagesPath === undefined ? null : mappedPages(confiner, pagesPath, firstDriveDescriptor + foreignDrives.length);
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
      preload: memory.kind === 'clone' && !dialect.readOnlyMemory ? confiner?.guestMemory : pages?.preload,
      environment: pages?.environment,
      // The files get descriptors in this order; the first is that of the device state.
      descriptors: [
        { path: stateFrom === undefined ? '/dev/null' : join(stateFrom, stateFile), readOnly: true },
        ...foreignDrives,
        ...(pages?.descriptors ?? []),
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
    if (whole !== undefined) {
      // QEMU answers once it has opened its files; its socket exists earlier.
      await withLastWords(spec, signal, () => qmp.execute('query-status'));
      await whole();
    }
    await withLastWords(spec, signal, async () => {
      try {
        await (memory.kind === 'clone' ? load(qmp, dialect) : qmp.execute('query-status'));
        if (pagesPath !== undefined) {
          await requireMappedPages(identity.pid, pagesPath);
          await qmp.execute('cont');
        }
        if (stateFrom !== undefined) await freeChannels(spec, stateFrom, signal);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new NovaError('vmm_failed', `QEMU ${accelerator.version} did not start: ${reason}`, { cause: error });
      }
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }

  undo.move();
  const record = machineRecord('qemu', spec, identity, { channels: spec.channels, cgroup });
  const withMemory = {
    ...record,
    memoryFrom: memory.kind === 'clone' ? dirname(memory.file) : null,
    memoryBytes: spec.memoryMb * 1024 * 1024,
  };
  return new QemuMachine(withMemory, { templateIn: snapshotTo, readOnlyMemory: dialect.readOnlyMemory });
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
    // QEMU's own resolver forwards to that of the host.
    ...(spec.network.mode === 'user' ? readable('/etc/resolv.conf').filter(({ path }) => existsSync(path)) : []),
  ];
}

/** Loads the device state; a clone without changed pages runs from then on. */
async function load(qmp: QmpClient, dialect: QemuDialect): Promise<void> {
  const ready = qmp.execute('migrate-set-capabilities', {
    capabilities: [...ignoreSharedMemory.capabilities, { capability: 'events', state: true }],
  });
  // Both are sent at once: QEMU runs commands in order, and waiting for each answer would cost a wake-up.
  const incoming = qmp.execute('migrate-incoming', { uri: dialect.state(stateDescriptor).uri });
  await Promise.all([ready, incoming]);
  await migrationEnd(qmp);
}
