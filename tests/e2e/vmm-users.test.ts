import assert from 'node:assert/strict';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { processesNaming, type Layout, type MachineSpec } from '@novasandbox/engine';
import { withoutRoot } from '../support/confinement.ts';
import { driversOf } from '../support/drivers.ts';
import { engineUnderTest, sandbox } from '../support/engine.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { testHome } from '../support/test-home.ts';

async function uidOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^Uid:\s+(\d+)\s+/m.exec(status)?.[1]);
}

async function uidOfSandbox(layout: Layout, id: string): Promise<number> {
  const [vmm] = processesNaming(layout.sockets(id));
  assert.ok(vmm !== undefined);
  return uidOf(vmm.pid);
}

test('sandboxes of two state folders run as users of their own', { skip: withoutRoot }, async () => {
  await using one = await engineUnderTest();
  await using other = await engineUnderTest();
  await using first = await sandbox(one.engine);
  await using second = await sandbox(other.engine);
  await using third = await sandbox(one.engine);
  const uids = [
    await uidOfSandbox(one.layout, first.id),
    await uidOfSandbox(other.layout, second.id),
    await uidOfSandbox(one.layout, third.id),
  ];
  assert.equal(new Set(uids).size, 3, String(uids));
  assert.ok(!uids.includes(0));
});

test(
  'machines that belong to no sandbox, as of probes and snapshots, run as users of their own',
  { skip: withoutRoot },
  async () => {
    await using home = await testHome();
    const { layout } = home;
    const { driver, guest } = await driversOf(layout, 'qemu');
    const launch = async (id: string) => {
      const directory = layout.sandbox(id);
      await mkdir(directory, { mode: 0o711 });
      const spec: MachineSpec = {
        id,
        sequence: 0,
        directory,
        socketDirectory: layout.sockets(id),
        memoryMb: 128,
        vcpus: 1,
        ...guest,
        drives: [],
        network: { mode: 'none' },
        channels: 1,
      };
      return driver.launch(spec, {});
    };
    {
      await using one = await launch(`users${process.pid}x1`);
      await using other = await launch(`users${process.pid}x2`);
      const uids = [await uidOf(one.record.pid), await uidOf(other.record.pid)];
      assert.equal(new Set(uids).size, 2, String(uids));
      assert.ok(!uids.includes(0));
    }
    for (const each of [1, 2]) await rm(layout.sandbox(`users${process.pid}x${each}`), { recursive: true });
    await assertNoLeaks(layout);
  },
);
