import { setTimeout as delay } from 'node:timers/promises';
import { layoutAt, type MachineSpec } from '@novasandbox/engine';
import { driversOf } from './drivers.ts';

/** Launches the machine described by its second argument, prints its record, and stays until it is killed. */
const [, , name, spec] = process.argv;
const { driver } = await driversOf(layoutAt(), name === 'qemu' ? 'qemu' : 'process');
const machine = await driver.launch(JSON.parse(spec ?? '') as MachineSpec, {});
process.stdout.write(`${JSON.stringify(machine.record)}\n`);
await delay(600_000);
