import * as resources from '../resources.ts';
import type { Route } from '../route.ts';

/** Resources of the host and their allocation to VMs. */
export const resourcesRoutes = {
  resourceUsage: {
    method: 'GET',
    path: '/resources/usage',
    tag: 'resources',
    summary: 'What VMs were given and use',
    permission: 'resource:read',
    response: resources.resourceUsageSchema,
  },
  resourceAllocations: {
    method: 'GET',
    path: '/resources/allocations',
    tag: 'resources',
    summary: 'What each VM was given',
    permission: 'resource:read',
    response: resources.allocationListSchema,
  },
} as const satisfies Record<string, Route>;
