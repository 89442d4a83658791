import { Sandbox } from 'novasandbox';
import { createEngine } from 'novasandbox/engine';
import niceProcessDriver from './drivers/nice-process.ts';

/** A sandbox on your own hypervisor. */
await using engine = await createEngine({ drivers: [niceProcessDriver] });
await using sandbox = await Sandbox.create({ engine, hypervisor: 'nice-process' });
const { stdout } = await sandbox.commands.run('nice');
console.log(`the niceness of its commands: ${stdout.trim()}`);
