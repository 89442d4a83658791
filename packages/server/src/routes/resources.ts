import type { RouteContext } from '../daemon-context.ts';
import { allocations, resourceUsage } from '../system/resources.ts';
import type { HostUsage } from '../system/host.ts';
import type { JsonHandlers } from './call.ts';

export function resourceHandlers(
  context: RouteContext,
  look: () => Promise<HostUsage>,
): Pick<JsonHandlers, 'resourceUsage' | 'resourceAllocations'> {
  return {
    resourceUsage: ({ vms }) => resourceUsage(context, vms(), look),
    resourceAllocations: async ({ vms }) => allocations(vms()),
  };
}
