import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { driversOf } from '../support/drivers.ts';
import { engineUnderTest, sandbox, sh } from '../support/engine.ts';
import { useNewestQemu } from '../support/newest-qemu.ts';
import { testHome } from '../support/test-home.ts';
import { driverSuite } from './driver-suite.ts';

/** Hosts have other versions of QEMU than this one; drivers/qemu/dialect.ts holds their differences. */
await useNewestQemu();

const launcher = join(import.meta.dirname, '../support/launch-machine.ts');
const home = await testHome();
const { driver, guest } = await driversOf(home.layout, 'qemu');
const { available, version, reason } = await driver.probe();
const name = `newest qemu, ${version}`;

test(`${name}: a probe proves it`, () => assert.ok(available, reason));

driverSuite({ name, home, driver, guest, launcher: ['--disable-warning=ExperimentalWarning', launcher, 'qemu'] });

test(`${name}: a clone runs commands, is paused and goes on`, { timeout: 300_000 }, async () => {
  await using under = await engineUnderTest();
  const { engine } = under;
  const report = (await engine.hypervisors()).find((each) => each.name === 'qemu');
  assert.equal(report?.probe.version, version);
  await using box = await sandbox(engine, { hypervisor: 'qemu', enableNetwork: false });
  assert.equal(box.metadata.bootKind, 'snapshot');
  assert.equal((await sh(engine, box.id, 'echo $((6 * 7))')).stdout, '42\n');
  await engine.sandboxes.pause(box.id);
  await engine.sandboxes.resume(box.id);
  assert.equal((await sh(engine, box.id, 'cat /proc/sys/kernel/ostype')).stdout, 'Linux\n');
  assert.ok((await engine.sandboxes.stats(box.id)).memoryUsageMb > 0);
});
