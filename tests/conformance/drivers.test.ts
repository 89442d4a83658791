import { join } from 'node:path';
import { driversOf } from '../support/drivers.ts';
import { testHome } from '../support/test-home.ts';
import { driverSuite } from './driver-suite.ts';

const launcher = join(import.meta.dirname, '../support/launch-machine.ts');

for (const name of ['process', 'qemu'] as const) {
  const home = await testHome();
  const { driver, guest } = await driversOf(home.layout, name);
  driverSuite({ name, home, driver, guest, launcher: ['--disable-warning=ExperimentalWarning', launcher, name] });
}
