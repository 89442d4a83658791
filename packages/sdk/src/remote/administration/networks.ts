import type { NetworkService } from '@novasandbox/engine/services';
import { newNetworkSchema, parse } from '@novasandbox/protocol';
import { networkOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** Private networks over the daemon. */
export function createRemoteNetworks(http: HttpClient): NetworkService {
  return {
    async create(network, context) {
      const { bridge: bridge_name, ...same } = parse(newNetworkSchema, network, 'network');
      const body = { ...same, bridge_name };
      return networkOfWire(await http.call('createNetwork', {}, { body, signal: context?.signal }));
    },
    get: async (ref) => networkOfWire(await http.call('getNetwork', { network_id: ref })),
    list: async () => (await http.call('listNetworks', {})).networks.map(networkOfWire),
    async isolate(ref, isolation, context) {
      const how = { body: { isolation }, signal: context?.signal };
      return networkOfWire(await http.call('changeNetwork', { network_id: ref }, how));
    },
    async remove(ref) {
      await http.call('deleteNetwork', { network_id: ref });
    },
  };
}
