import { networkInterfaces } from 'node:os';
import { NovaError } from '@novasandbox/protocol';
import type { Forward } from '@novasandbox/protocol/api';
import type { Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';
import { forwardAddress, type ForwardState } from '../forwards/forwards.ts';
import type { JsonHandlers } from './call.ts';

/** Id of the forward that a VM was made with; it cannot be ended alone. */
const ofConfig = 'config';

/** Networks of the host and of VMs. */
export function networkHandlers({
  forwards,
  limits,
  measurements,
}: RouteContext): Pick<
  JsonHandlers,
  'listInterfaces' | 'getVmNetwork' | 'listPortForwards' | 'createPortForward' | 'deletePortForward'
> {
  const forwardsOf = async (engine: Services, ref: string): Promise<Forward[]> => {
    const { id, state, hostPort, guestPort } = await engine.sandboxes.get(ref);
    const runs = state === 'running' || state === 'paused';
    const own = hostPort === null ? [] : [{ id: ofConfig, hostPort, guestPort, listening: runs }];
    return [...own.map((each) => wire(each, true)), ...forwards.list(id).map((each) => wire(each, false))];
  };
  return {
    listInterfaces: async () => ({ interfaces: interfaces() }),
    async getVmNetwork({ engine, params }) {
      const { id, enableNetwork } = await engine.sandboxes.get(params.id);
      const { metrics } = measurements.latest(id) ?? {};
      return {
        enabled: enableNetwork,
        rx_bytes: metrics?.network_rx_bytes ?? null,
        tx_bytes: metrics?.network_tx_bytes ?? null,
        forwards: await forwardsOf(engine, id),
      };
    },
    listPortForwards: async ({ engine, params }) => ({ forwards: await forwardsOf(engine, params.id) }),
    async createPortForward({ engine, params, body }) {
      if (body.protocol === 'udp') throw new NovaError('not_implemented', 'Forwards of UDP ports are not there yet.');
      const { id } = await engine.sandboxes.get(params.id);
      limits.checkHostPort();
      return wire(await forwards.add(id, { guestPort: body.guest_port, hostPort: body.host_port }), false);
    },
    async deletePortForward({ engine, params }) {
      const { id } = await engine.sandboxes.get(params.id);
      if (params.forward === ofConfig) {
        throw new NovaError('conflict', 'The port that a VM was made with lasts as long as the VM runs.', {
          hint: 'Make the VM without host_port, and forward its ports by this API.',
        });
      }
      await forwards.remove(id, params.forward);
    },
  };
}

const wire = ({ id, hostPort, guestPort, listening }: Omit<ForwardState, 'vmId'>, made_with_vm: boolean): Forward => ({
  id,
  protocol: 'tcp',
  host_address: forwardAddress,
  host_port: hostPort,
  guest_port: guestPort,
  made_with_vm,
  listening,
});

function interfaces() {
  return Object.entries(networkInterfaces()).map(([name, addresses = []]) => ({
    name,
    mac: addresses[0]?.mac ?? '',
    loopback: addresses.some(({ internal }) => internal),
    addresses: addresses.map(({ cidr, address }) => cidr ?? address),
  }));
}
