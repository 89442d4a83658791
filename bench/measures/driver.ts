import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createFirecrackerDriver, hostArchitecture, layoutAt, type MachineSpec } from '@novasandbox/engine';
import { standInFor } from '../../tests/support/stand-in.ts';
import type { Measure } from '../measure.ts';
import { summarise } from '../statistics.ts';

/**
 * What Firecracker's driver itself takes of a launch: everything but the time in which the VMM starts or has something to answer. Measured
 * against a stand-in that notes when it was started, asked and done; it is no Firecracker, and says nothing of one.
 */
export const driver: Measure = {
  id: 'driver',
  title: 'Driver of Firecracker, against a stand-in',
  async run({ quick, home, agentBinary, report }) {
    await using standIn = await standInFor('firecracker', await agentBinary(), '1.17.0');
    const before = process.env['NOVA_FIRECRACKER'];
    process.env['NOVA_FIRECRACKER'] = standIn.path;
    try {
      const layout = layoutAt(home);
      const vmm = createFirecrackerDriver({
        probeDirectory: join(home, 'stand-in-probes'),
        vmmDirectory: layout.vmmDirectory,
        // Nothing runs in the stand-in but the agent.
        probeGuest: () => Promise.resolve({ kernel: standIn.path, initramfs: standIn.path }),
        whyNoKvm: () => null,
        jailed: false,
      });
      await vmm.probe();
      const values: number[] = [];
      for (let round = 0; round < (quick ? 3 : 30); round++) {
        const directory = layout.sandbox(`driver${round}`);
        await mkdir(directory);
        const spec: MachineSpec = {
          id: `driver${round}`,
          sequence: round,
          directory,
          socketDirectory: layout.sockets(`driver${round}`),
          architecture: hostArchitecture().name,
          memoryMb: 128,
          vcpus: 1,
          kernel: standIn.path,
          initramfs: standIn.path,
          kernelArguments: [],
          drives: [],
          network: { mode: 'none' },
          channels: 1,
        };
        const startedAt = performance.timeOrigin + performance.now();
        await using machine = await vmm.launch(spec, {});
        const doneAt = performance.timeOrigin + performance.now();
        values.push(doneAt - startedAt - busy(await readFile(join(directory, 'vmm.log'), 'utf8')));
        await machine.stop();
        await rm(directory, { recursive: true });
      }
      const summary = summarise(values);
      report({
        name: 'launch, the part of the driver (Firecracker, against a stand-in)',
        unit: 'ms',
        value: summary.p50,
        summary,
        budget: 5,
      });
    } finally {
      if (before === undefined) delete process.env['NOVA_FIRECRACKER'];
      else process.env['NOVA_FIRECRACKER'] = before;
    }
  },
};

/** Milliseconds in which the stand-in started, or had something to answer: what was asked at once is one piece of work. */
function busy(log: string): number {
  let total = 0;
  let since = 0;
  let open = 0;
  for (const [, at = '', what] of log.matchAll(/^([\d.]+) (started|listening|asked|answered)$/gm)) {
    if (what === 'started' || what === 'asked') {
      if (open++ === 0) since = Number(at);
    } else if (--open === 0) {
      total += Number(at) - since;
    }
  }
  return total;
}
