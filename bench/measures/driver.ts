import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createCloudHypervisorDriver,
  createFirecrackerDriver,
  createImageSource,
  createLauncher,
  fileTail,
  hostArchitecture,
  layoutAt,
  openVmmUsers,
  vmmLog,
  type MachineSpec,
  type VmmDriver,
} from '@novasandbox/engine';
import { standInFiles, standInFor } from '../../tests/support/stand-in.ts';
import type { BenchContext, Measure } from '../measure.ts';
import { summarise } from '../statistics.ts';

type Options = Parameters<typeof createCloudHypervisorDriver>[0];

interface Candidate {
  readonly vmm: Parameters<typeof standInFor>[0];
  readonly title: string;
  readonly variable: string;
  readonly version: string;
  readonly make: (options: Options) => VmmDriver;
}

const candidates: readonly Candidate[] = [
  {
    vmm: 'firecracker',
    title: 'Firecracker',
    variable: 'NOVA_FIRECRACKER',
    version: '1.17.0',
    make: (options) => createFirecrackerDriver({ ...options, jailed: false }),
  },
  {
    vmm: 'cloud-hypervisor',
    title: 'Cloud Hypervisor',
    variable: 'NOVA_CLOUD_HYPERVISOR',
    version: '',
    make: createCloudHypervisorDriver,
  },
];

/**
 * What the drivers of VMMs with an API themselves take of a launch: everything but the time in which the VMM starts or has something to answer. Measured
 * against stand-ins that note when they were started, asked and done; they are no VMMs, and say nothing of one.
 */
export const driver: Measure = {
  id: 'driver',
  title: 'Drivers, against stand-ins for their VMMs',
  async run(context) {
    for (const candidate of candidates) await measure(context, candidate);
  },
};

async function measure({ quick, home, agentBinary, report }: BenchContext, candidate: Candidate): Promise<void> {
  const { vmm, title, variable, version, make } = candidate;
  await using standIn = await standInFor(vmm, await agentBinary(), version);
  const before = process.env[variable];
  process.env[variable] = standIn.path;
  try {
    const layout = layoutAt(home);
    await using launcher = createLauncher();
    using users = openVmmUsers(layout);
    const images = createImageSource(layout);
    const measured = make({
      launcher,
      users,
      confiner: (asked) => images.confiner(asked),
      alsoVisible: standInFiles(standIn.path),
      probeDirectory: join(home, `stand-in-probes-${vmm}`),
      vmmDirectory: layout.vmmDirectory,
      // Nothing runs in the stand-in but the agent.
      probeGuest: () => Promise.resolve({ kernel: standIn.path, initramfs: standIn.path }),
      whyNoKvm: () => null,
    });
    await measured.probe();
    const wallMs: number[] = [];
    const cpuMs: number[] = [];
    for (let round = 0; round < (quick ? 3 : 30); round++) {
      const id = `driver${round}`;
      const directory = layout.sandbox(id);
      await mkdir(directory);
      // VMMs of other users pass through.
      await chmod(directory, 0o711);
      const spec: MachineSpec = {
        id,
        sequence: round,
        directory,
        socketDirectory: layout.sockets(id),
        memoryMb: 128,
        vcpus: 1,
        architecture: hostArchitecture().name,
        kernel: standIn.path,
        initramfs: standIn.path,
        kernelArguments: [],
        drives: [],
        network: { mode: 'none' },
        channels: 1,
      };
      const used = process.cpuUsage();
      const startedAt = now();
      await using machine = await measured.launch(spec, {});
      const doneAt = now();
      const { user, system } = process.cpuUsage(used);
      wallMs.push(doneAt - startedAt - busy(await fileTail(join(directory, vmmLog), 64 << 10)));
      cpuMs.push((user + system) / 1000);
      await machine.stop();
      await rm(directory, { recursive: true });
    }
    const [wall, cpu] = [summarise(wallMs), summarise(cpuMs)];
    const what = `(${title}, against a stand-in)`;
    report({ name: `launch, the part of the driver ${what}`, unit: 'ms', value: wall.p50, summary: wall, budget: 5 });
    report({ name: `launch, our CPU time ${what}`, unit: 'ms', value: cpu.p50, summary: cpu });
  } finally {
    if (before === undefined) delete process.env[variable];
    else process.env[variable] = before;
  }
}

const now = (): number => performance.timeOrigin + performance.now();

/** Milliseconds in which the stand-in started, or had something to answer: what was asked at once is one piece of work. */
function busy(log: string): number {
  let total = 0;
  let since = 0;
  let open = 0;
  for (const [, at = '', what] of log.matchAll(/^([\d.]+) (started|listening|asked|answered)$/gm)) {
    if (what === 'started' || what === 'asked') {
      if (open++ === 0) since = Number(at);
    } else if (--open === 0) total += Number(at) - since;
  }
  return total;
}
