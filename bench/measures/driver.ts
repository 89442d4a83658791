import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createImageSource,
  createLauncher,
  drivers,
  fileTail,
  hostArchitecture,
  layoutAt,
  openVmmUsers,
  vmmLog,
  type MachineSpec,
} from '@novasandbox/engine';
import { standInFiles, standInFor } from '@novasandbox/tests/stand-in';
import type { BenchContext, Measure } from '../measure.ts';
import { summarise } from '../statistics.ts';

/** Drivers that use an API, with the version that the stand-in reports if the driver depends on it. */
const candidates = [
  { hypervisor: 'firecracker', version: '1.17.0' },
  { hypervisor: 'cloud-hypervisor', version: '' },
] as const;

/**
 * Time that the drivers of VMMs with an API take themselves of a launch: everything except the time in which the VMM
 * starts or handles a request. Measured against stand-ins that record when they were started, asked and done. They are
 * not VMMs, so the figures say nothing about a VMM.
 */
export const driver: Measure = {
  id: 'driver',
  title: 'Drivers, against stand-ins for their VMMs',
  async run(context) {
    for (const candidate of candidates) await measure(context, candidate);
  },
};

async function measure(
  { quick, home, agentBinary, report }: BenchContext,
  { hypervisor, version }: (typeof candidates)[number],
): Promise<void> {
  const { create, vmm } = drivers[hypervisor];
  const [program] = vmm?.programs ?? [];
  if (vmm === null || program === undefined || program.variable === null)
    throw new Error(`${hypervisor} has no program that another can stand in for`);
  const { title } = vmm;
  const { variable } = program;
  await using standIn = await standInFor(program.name, await agentBinary(), version);
  const before = process.env[variable];
  process.env[variable] = standIn.path;
  try {
    const layout = layoutAt(home);
    await using launcher = createLauncher();
    using users = openVmmUsers(layout);
    const images = createImageSource(layout);
    const measured = create({
      launcher,
      users,
      confiner: (asked) => images.confiner(asked),
      alsoVisible: standInFiles(standIn.path),
      probeDirectory: join(home, `stand-in-probes-${hypervisor}`),
      vmmDirectory: layout.vmmDirectory,
      // The stand-in runs nothing but the agent.
      probeGuest: () => Promise.resolve({ kernel: standIn.path, initramfs: standIn.path }),
      whyNotHere: () => null,
      jailed: false,
      agentBinary,
    });
    await measured.probe();
    const wallMs: number[] = [];
    const cpuMs: number[] = [];
    for (let round = 0; round < (quick ? 3 : 30); round++) {
      const id = `driver${round}`;
      const directory = layout.sandbox(id);
      await mkdir(directory);
      // VMMs run as other users, which need to pass through this directory.
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

/** Milliseconds in which the stand-in was starting or handling requests; requests that overlap count once. */
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
