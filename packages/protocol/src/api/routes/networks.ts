import * as networks from '../networks.ts';
import type { Route } from '../route.ts';

/**
 * Private networks. They connect sandboxes of those who may see them and nothing else, so whoever may make sandboxes
 * may make them.
 */
export const networksRoutes = {
  createNetwork: {
    method: 'POST',
    path: '/networks',
    tag: 'network',
    summary: 'Make a private network, which VMs join',
    permission: 'vm:create',
    body: networks.createNetworkSchema,
    status: 201,
    response: networks.networkSchema,
    idempotent: true,
  },
  listNetworks: {
    method: 'GET',
    path: '/networks',
    tag: 'network',
    summary: 'List private networks',
    permission: 'vm:read',
    response: networks.networkListSchema,
  },
  getNetwork: {
    method: 'GET',
    path: '/networks/{network_id}',
    tag: 'network',
    summary: 'One private network, with its members',
    permission: 'vm:read',
    response: networks.networkSchema,
  },
  changeNetwork: {
    method: 'PATCH',
    path: '/networks/{network_id}',
    tag: 'network',
    summary: 'Change what the members of a network may send each other, at once',
    permission: 'vm:update',
    body: networks.changeNetworkSchema,
    response: networks.networkSchema,
  },
  deleteNetwork: {
    method: 'DELETE',
    path: '/networks/{network_id}',
    tag: 'network',
    summary: 'Remove a private network without members',
    permission: 'vm:delete',
    status: 204,
  },
} as const satisfies Record<string, Route>;
