import type { DaemonContext } from '../daemon-context.ts';
import { allocations, resourceUsage } from '../system/resources.ts';
import type { HostUsage } from '../system/host.ts';
import type { JsonHandlers } from './call.ts';

export function resourceHandlers(
  context: DaemonContext,
  look: () => Promise<HostUsage>,
): Pick<JsonHandlers, 'resourceUsage' | 'resourceAllocations'> {
  return {
    resourceUsage: () => resourceUsage(context, look),
    resourceAllocations: async () => allocations(context),
  };
}
