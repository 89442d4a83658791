import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { createImageSource, layoutAt } from '@novasandbox/engine';
import { driverSuite } from '../conformance/driver-suite.ts';
import { driversOf } from '../support/drivers.ts';
import { standInFor } from '../support/stand-in.ts';
import { testHome } from '../support/test-home.ts';

/** The conformance suite over the wire. What stands for the VMM is no VMM: nothing here counts as a result of Cloud Hypervisor. */
const launcher = join(import.meta.dirname, '../support/launch-machine.ts');
const agent = await createImageSource(layoutAt()).agent({});
const standIn = await standInFor('cloud-hypervisor', agent.path);
after(() => standIn[Symbol.asyncDispose]());
process.env['NOVA_CLOUD_HYPERVISOR'] = standIn.path;
// Its verdicts are none about this host.
const home = await testHome({ own: ['probes'] });
await mkdir(home.layout.probeDirectory, { recursive: true });
const { driver, guest } = await driversOf(home.layout, 'cloud-hypervisor', { standIn: true });
driverSuite({
  name: 'cloud-hypervisor (stand-in)',
  home,
  driver,
  guest,
  standIn: true,
  launcher: ['--disable-warning=ExperimentalWarning', launcher, 'cloud-hypervisor', '--stand-in'],
});
