import { setTimeout as delay } from 'node:timers/promises';
import { extraDriveSchema, isNovaError, NovaError, parse, type ExtraDriveInput } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { unsupported } from './features.ts';
import { linked } from './find.ts';
import { requireFile } from './plan.ts';

/** Adds a drive to a running sandbox and mounts it. Returns its name, for `removeDrive`. After an error it is not there. */
export async function addDrive(
  context: EngineContext,
  ref: string,
  input: ExtraDriveInput,
  { signal }: CallContext = {},
): Promise<string> {
  const drive = parse(extraDriveSchema, input, 'drive');
  await requireFile(drive.path, 'path');
  const { record, machine, agent } = await linked(context, ref, signal);
  if (machine.addDrive === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  await using undo = new AsyncDisposableStack();
  const name = await machine.addDrive({ path: drive.path, readOnly: drive.readOnly, foreign: true }, { signal });
  undo.defer(() => machine.removeDevice?.(name, {}));
  const device = await deviceOf(agent, name, signal);
  await agent.makeDirectory(drive.mountPath, { user: 'root' }, { signal });
  const access = drive.readOnly ? 'ro' : 'rw';
  await run(agent, ['mount', '-t', drive.fsType, '-o', access, `/dev/${device}`, drive.mountPath], signal);
  undo.move();
  return name;
}

/** Unmounts a drive that was added and takes it away. */
export async function removeDrive(
  context: EngineContext,
  ref: string,
  name: string,
  { signal }: CallContext = {},
): Promise<void> {
  const { record, machine, agent } = await linked(context, ref, signal);
  if (machine.removeDevice === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  const device = await findDevice(agent, name, signal);
  if (device === null) throw new NovaError('invalid_argument', `name: there is no added drive "${name}".`);
  await run(agent, ['umount', `/dev/${device}`], signal);
  await machine.removeDevice(name, { signal });
}

/** A guest sees a new drive within moments, or never. */
const seenWithinMs = 10_000;
const lookEveryMs = 10;

async function deviceOf(agent: GuestAgent, name: string, signal: AbortSignal | undefined): Promise<string> {
  const end = performance.now() + seenWithinMs;
  for (;;) {
    const found = await findDevice(agent, name, signal);
    if (found !== null) return found;
    if (performance.now() > end) throw new NovaError('vmm_failed', 'The guest has not taken the new drive.');
    await delay(lookEveryMs, undefined, { signal });
  }
}

/** The drive with that serial number; names of devices depend on the order they came in. */
async function findDevice(agent: GuestAgent, name: string, signal: AbortSignal | undefined): Promise<string | null> {
  const devices = await agent.list('/sys/block', { depth: 1, user: 'root' }, { signal });
  for (const device of devices.map((entry) => entry.name).filter((each) => /^vd[a-z]+$/.test(each))) {
    if ((await text(agent, `/sys/block/${device}/serial`, signal)) === name) return device;
  }
  return null;
}

/** Begins with what a serial number can hold (virtio: 20 bytes). */
const serialBytes = 20;

async function text(agent: GuestAgent, path: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    await using file = await agent.readFile(path, { length: serialBytes, user: 'root' }, { signal });
    let read = '';
    for await (const chunk of file.bytes) read += Buffer.from(chunk).toString('latin1');
    return read.trim();
  } catch (error) {
    // It may have gone meanwhile.
    if (isNovaError(error, 'file_not_found')) return '';
    throw error;
  }
}

const runMs = 60_000;
/** Of what a program complains about. */
const toldBytes = 2000;

async function run(agent: GuestAgent, argv: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await using running = await agent.exec({ argv, user: 'root', cwd: '/', timeoutMs: runMs }, { signal });
  let said = '';
  for await (const { bytes } of running.output) said = `${said}${Buffer.from(bytes).toString()}`.slice(-toldBytes);
  const { exitCode } = await running.exit;
  if (exitCode !== 0) throw new NovaError('command_failed', `In the guest, "${argv.join(' ')}" failed: ${said.trim()}`);
}
