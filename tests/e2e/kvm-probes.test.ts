import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layoutAt, type DriverProbe } from '@novasandbox/engine';
import type { OwnHypervisor } from '@novasandbox/protocol';
import { driversOf } from '../support/drivers.ts';
import { kvmHypervisors } from '../support/real-vmms.ts';
import { testHome } from '../support/test-home.ts';

/** Probes again, by a new driver. */
async function probe(name: OwnHypervisor, layout = layoutAt()): Promise<DriverProbe> {
  const { driver } = await driversOf(layout, name);
  return driver.probe({ fresh: true });
}

/** The results of probes on KVM when nothing else is probed. */
const alone = new Map<OwnHypervisor, DriverProbe>();
for (const name of [...kvmHypervisors, 'qemu'] as const) {
  const found = await probe(name);
  if (found.accelerator === 'kvm') alone.set(name, found);
}
const skip = alone.size === 0 ? 'no hypervisor works on KVM here' : false;

test(
  'all hypervisors are probed at once, in two state folders, and each is found as when it is alone',
  { skip },
  async () => {
    await using other = await testHome({ own: ['probes'] });
    for (let round = 0; round < 3; round++) {
      const all = [...alone].flatMap(([name, expected]) =>
        [layoutAt(), other.layout].map(async (layout) => assert.deepEqual(await probe(name, layout), expected)),
      );
      await Promise.all(all);
    }
  },
);
