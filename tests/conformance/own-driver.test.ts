import { join } from 'node:path';
import { driverFromModule } from '../support/drivers.ts';
import { testHome } from '../support/test-home.ts';
import { driverSuite } from './driver-suite.ts';

/** The suite for a driver that a user of the package could have written: it imports only `novasandbox/engine`. */
const module = join(import.meta.dirname, '../../examples/drivers/nice-process.ts');
const launcher = join(import.meta.dirname, '../support/launch-machine.ts');
const home = await testHome();
const { driver, guest } = await driverFromModule(home.layout, module);

driverSuite({
  name: 'nice-process (a given driver)',
  home,
  driver,
  guest,
  launcher: ['--disable-warning=ExperimentalWarning', launcher, module],
});
