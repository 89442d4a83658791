import { extraDriveSchema, NovaError, parse, type ExtraDriveInput } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { GuestAgent } from '../ports/guest-agent.ts';
import type { CallContext } from '../services.ts';
import { unsupported } from '../guest/features.ts';
import { connectToAgent } from './find.ts';
import { guestDevice, untilSeen } from './guest-devices.ts';
import { requireFile } from '../guest/plan.ts';

/**
 * Adds a drive to a running sandbox and mounts it. Returns its name, for `removeDrive`. After an error the drive is not
 * there.
 */
export async function addDrive(
  context: EngineContext,
  ref: string,
  input: ExtraDriveInput,
  { signal }: CallContext = {},
): Promise<string> {
  const drive = parse(extraDriveSchema, input, 'drive');
  await requireFile(drive.path, 'path');
  const { record, machine, agent } = await connectToAgent(context, ref, signal);
  if (machine.addDrive === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  await using undo = new AsyncDisposableStack();
  const name = await machine.addDrive({ path: drive.path, readOnly: drive.readOnly, foreign: true }, { signal });
  undo.defer(() => machine.removeDevice?.(name, {}));
  const device = await untilSeen(() => driveOf(agent, name, signal), 'The guest has not taken the new drive.', signal);
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
  const { record, machine, agent } = await connectToAgent(context, ref, signal);
  if (machine.removeDevice === undefined) throw unsupported(context, record.hypervisor, 'hotplug');
  const device = await driveOf(agent, name, signal);
  if (device === null) throw new NovaError('invalid_argument', `name: there is no added drive "${name}".`);
  await run(agent, ['umount', `/dev/${device}`], signal);
  await machine.removeDevice(name, { signal });
}

/** Finds the device of a drive by its serial number, which is long enough to hold the drive's name. */
const driveOf = (agent: GuestAgent, name: string, signal: AbortSignal | undefined): Promise<string | null> =>
  guestDevice(agent, '/sys/block', 'serial', name, signal);

const runMs = 60_000;
/** The part of a failed program's output that is kept for the message. */
const toldBytes = 2000;

async function run(agent: GuestAgent, argv: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  await using running = await agent.exec({ argv, user: 'root', cwd: '/', timeoutMs: runMs }, { signal });
  let said = '';
  for await (const { bytes } of running.output) said = `${said}${Buffer.from(bytes).toString()}`.slice(-toldBytes);
  const { exitCode } = await running.exit;
  if (exitCode !== 0) throw new NovaError('command_failed', `In the guest, "${argv.join(' ')}" failed: ${said.trim()}`);
}
