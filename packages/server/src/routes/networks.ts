import { networkWireOf } from '@novasandbox/protocol/api';
import type { JsonHandlers } from './call.ts';

/** Private networks. */
export function networksHandlers(): Pick<
  JsonHandlers,
  'createNetwork' | 'listNetworks' | 'getNetwork' | 'changeNetwork' | 'deleteNetwork'
> {
  return {
    createNetwork: async ({ engine, body: { bridge_name: bridge, ...network }, signal }) =>
      networkWireOf(await engine.networks.create({ ...network, bridge }, { signal })),
    listNetworks: async ({ engine }) => ({ networks: (await engine.networks.list()).map(networkWireOf) }),
    getNetwork: async ({ engine, params }) => networkWireOf(await engine.networks.get(params.network_id)),
    changeNetwork: async ({ engine, params, body, signal }) =>
      networkWireOf(await engine.networks.isolate(params.network_id, body.isolation, { signal })),
    deleteNetwork: ({ engine, params }) => engine.networks.remove(params.network_id),
  };
}
