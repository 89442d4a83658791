import { setTimeout as delay } from 'node:timers/promises';
import { hypervisorNameSchema } from '@novasandbox/protocol';
import { layoutAt, type MachineSpec } from '@novasandbox/engine';
import { driversOf } from './drivers.ts';

/** Launches the machine described by its last argument, prints its record, and stays until it is killed. */
const [text = '', ...flags] = process.argv.slice(3).toReversed();
const name = process.argv[2];
const spec = JSON.parse(text) as MachineSpec;
const { driver } = await driversOf(layoutAt(), hypervisorNameSchema.parse(name), {
  standIn: flags.includes('--stand-in'),
  architecture: spec.architecture,
});
const machine = await driver.launch(spec, {});
process.stdout.write(`${JSON.stringify(machine.record)}\n`);
await delay(600_000);
