import { join } from 'node:path';
import { test } from 'node:test';
import { guestArchitectures } from '@novasandbox/engine';
import { driversOf } from '../support/drivers.ts';
import { testHome } from '../support/test-home.ts';
import { driverSuite } from './driver-suite.ts';

const launcher = join(import.meta.dirname, '../support/launch-machine.ts');

/** The same suite with guests of the processors that this host emulates. */
for (const { name: architecture } of guestArchitectures().slice(1)) {
  const name = `qemu, ${architecture}`;
  const home = await testHome();
  const { driver, guest } = await driversOf(home.layout, 'qemu', { architecture });
  const { available, reason } = await driver.probe({ architecture });
  if (available) {
    driverSuite({ name, home, driver, guest, launcher: ['--disable-warning=ExperimentalWarning', launcher, 'qemu'] });
  } else {
    await home[Symbol.asyncDispose]();
    test(name, { skip: reason }, () => undefined);
  }
}
