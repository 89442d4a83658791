import { NovaError, type SandboxConfig } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { planSandbox, type PlanContext, type SandboxPlan } from '../guest/plan.ts';
import type { SandboxRecord } from '../ports/store.ts';

/** Plans a sandbox of the same shape, on the same hypervisor. */
export async function planContinued(
  context: EngineContext,
  config: SandboxConfig,
  from: Pick<SandboxRecord, 'hypervisor' | 'memoryMb' | 'vcpus' | 'diskSizeMb' | 'bootedFrom'>,
  options: PlanContext,
): Promise<SandboxPlan> {
  const { hypervisor, memoryMb, vcpus, diskSizeMb, bootedFrom } = from;
  // Memory knows the image that its guest was booted from.
  const how = { root: bootedFrom === null, known: bootedFrom?.network };
  const planned = await planSandbox(context, { ...config, hypervisor, memoryMb, vcpus }, options, how);
  const plan = { ...planned, diskSizeMb };
  if (bootedFrom !== null && bootedFrom.network !== plan.network)
    throw new NovaError(
      'snapshot_incompatible',
      `The memory knows a network of the kind "${bootedFrom.network}", and this host has "${plan.network}" for it now.`,
      { hint: 'Run `nova doctor`: it says what the network needs. Or go on from the disk alone: memory: false.' },
    );
  return plan;
}
