import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { unsupported } from '../guest/features.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { requireDriver } from '../sandbox/attach-machine.ts';

/**
 * Refuses a sandbox that others cannot go on from: they would share a disk of the host that it writes to, or there is
 * nothing to keep.
 *
 * @param memory whether its memory is to go on too
 */
export function requireContinuable(context: EngineContext, sandbox: SandboxRecord, memory: boolean): void {
  const { config, hypervisor } = sandbox;
  const name = sandbox.name ?? sandbox.id;
  const { features } = requireDriver(context, hypervisor);
  if (!features.virtualMachine) throw unsupported(context, hypervisor, 'virtualMachine');
  if (memory && !features.liveSnapshot) throw unsupported(context, hypervisor, 'liveSnapshot');
  if (config.firmwarePath !== undefined || config.extraDrives.some(({ readOnly }) => !readOnly))
    throw new NovaError(
      'conflict',
      `The sandbox ${name} writes to an image of the host, which two sandboxes cannot do at once.`,
      { hint: "Attach the image read-only, or keep the data on the sandbox's own disk." },
    );
  if (memory && config.volumes.some(({ readOnly }) => !readOnly))
    throw new NovaError('conflict', `The sandbox ${name} writes to a volume, which two sandboxes cannot do at once.`, {
      hint: 'Attach the volume read-only, or take a snapshot of the disk alone (memory: false).',
    });
  if (!memory && config.readOnlyRootfs)
    throw new NovaError('invalid_state', `The sandbox ${name} has no disk of its own that a snapshot could keep.`, {
      hint: 'Take a snapshot with memory while it runs.',
    });
}
