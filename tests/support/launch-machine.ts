import { setTimeout as delay } from 'node:timers/promises';
import { ownHypervisors } from '@novasandbox/protocol';
import { layoutAt, type MachineSpec } from '@novasandbox/engine';
import { driverFromModule, driversOf } from './drivers.ts';

/**
 * Launches the machine described by its last argument with the driver named by the first, a hypervisor of ours or a
 * module. Prints its record, and stays until it is killed.
 */
const [text = '', ...flags] = process.argv.slice(3).toReversed();
const wanted = process.argv[2] ?? '';
const name = ownHypervisors.find((each) => each === wanted);
const spec = JSON.parse(text) as MachineSpec;
const { driver } =
  name === undefined
    ? await driverFromModule(layoutAt(), wanted)
    : await driversOf(layoutAt(), name, { standIn: flags.includes('--stand-in'), architecture: spec.architecture });
const machine = await driver.launch(spec, {});
process.stdout.write(`${JSON.stringify(machine.record)}\n`);
await delay(600_000);
