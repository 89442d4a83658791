import { join } from 'node:path';
import { test } from 'node:test';
import { ownHypervisors } from '@novasandbox/protocol';
import { driversOf } from '../support/drivers.ts';
import { testHome } from '../support/test-home.ts';
import { driverSuite } from './driver-suite.ts';

const launcher = join(import.meta.dirname, '../support/launch-machine.ts');

for (const name of ownHypervisors) {
  const home = await testHome();
  const { driver, guest } = await driversOf(home.layout, name);
  const { available, reason } = await driver.probe();
  if (!available) {
    // Reported as not run.
    test(`${name}: the conformance suite`, { skip: reason }, () => undefined);
    await home[Symbol.asyncDispose]();
    continue;
  }
  driverSuite({ name, home, driver, guest, launcher: ['--disable-warning=ExperimentalWarning', launcher, name] });
}
