import { networkInterfaces } from 'node:os';
import { isNovaError, NovaError } from '@novasandbox/protocol';
import type { Forward, Preview } from '@novasandbox/protocol/api';
import type { Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';
import { forwardAddress, type ForwardState } from '../forwards/forwards.ts';
import type { PreviewRow } from '../previews/previews.ts';
import { openPreview } from '../previews/open-preview.ts';
import { createFirewall } from '../vms/firewall.ts';
import type { JsonHandlers } from './call.ts';

/** The id of the forward from the config of a VM, which lasts as long as the VM runs. */
const ofConfig = 'config';

/** Networks of the host and of VMs. */
export function networkHandlers({
  config,
  forwards,
  limits,
  listening,
  measurements,
  previews,
}: RouteContext): Pick<
  JsonHandlers,
  | 'listInterfaces'
  | 'getVmNetwork'
  | 'getVmPolicy'
  | 'setVmPolicy'
  | 'listVmSecrets'
  | 'setVmSecret'
  | 'removeVmSecret'
  | 'listVmDecisions'
  | 'listFirewallRules'
  | 'createFirewallRule'
  | 'deleteFirewallRule'
  | 'getLearnedPolicy'
  | 'listPortForwards'
  | 'createPortForward'
  | 'deletePortForward'
  | 'listPreviews'
  | 'createPreview'
  | 'deletePreview'
> {
  const firewall = createFirewall();
  const forwardsOf = async (engine: Services, ref: string): Promise<Forward[]> => {
    const { id, state, hostPort, guestPort } = await engine.sandboxes.get(ref);
    const runs = state === 'running' || state === 'paused';
    const own = hostPort === null ? [] : [{ id: ofConfig, hostPort, guestPort, listening: runs }];
    return [...own.map((each) => wire(each, true)), ...forwards.list(id).map((each) => wire(each, false))];
  };
  /** Names the VM that has the port, if the caller may know of it. */
  const namingHolder = async (engine: Services, port: number, error: NovaError): Promise<NovaError> => {
    const holder = forwards.holderOf(port);
    if (holder === null) return error;
    const found = await engine.sandboxes.get(holder).catch(() => null);
    if (found === null) return error;
    const name = found.name ?? found.id;
    return new NovaError('port_in_use', `host_port: ${port} leads to the VM ${name} already.`, {
      cause: error,
      details: { host_port: port, holder: found.id },
    });
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
    async getVmPolicy({ engine, params }) {
      const { policy = 'all' } = await engine.sandboxes.config(params.id);
      return { policy };
    },
    async setVmPolicy({ engine, params, body, signal }) {
      await engine.sandboxes.setPolicy(params.id, body.policy, { signal });
      return { policy: body.policy };
    },
    listVmSecrets: async ({ engine, params }) => ({ secrets: await engine.sandboxes.secrets(params.id) }),
    setVmSecret: ({ engine, params, body, signal }) =>
      engine.sandboxes.setSecret(params.id, params.secret, body, { signal }),
    async removeVmSecret({ engine, params, signal }) {
      await engine.sandboxes.removeSecret(params.id, params.secret, { signal });
    },
    async listVmDecisions({ engine, params, query, signal }) {
      const decisions = await Array.fromAsync(await engine.sandboxes.decisions(params.id, { ...query, signal }));
      return { decisions };
    },
    getLearnedPolicy: ({ engine, params }) => engine.policies.learned(params.id),
    async listFirewallRules({ engine, params }) {
      const { id } = await engine.sandboxes.get(params.id);
      return { rules: await firewall.list(engine.sandboxes, id) };
    },
    async createFirewallRule({ engine, params, body }) {
      const { id } = await engine.sandboxes.get(params.id);
      return firewall.add(engine.sandboxes, id, body);
    },
    async deleteFirewallRule({ engine, params }) {
      const { id } = await engine.sandboxes.get(params.id);
      await firewall.remove(engine.sandboxes, id, params.rule);
    },
    listPortForwards: async ({ engine, params }) => ({ forwards: await forwardsOf(engine, params.id) }),
    async createPortForward({ engine, params, body }) {
      if (body.protocol === 'udp') throw new NovaError('not_implemented', 'Forwards of UDP ports are not there yet.');
      const { id } = await engine.sandboxes.get(params.id);
      limits.checkHostPort();
      try {
        return wire(await forwards.add(id, { guestPort: body.guest_port, hostPort: body.host_port }), false);
      } catch (error) {
        if (!isNovaError(error, 'port_in_use') || body.host_port === undefined) throw error;
        throw await namingHolder(engine, body.host_port, error);
      }
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
    async listPreviews({ engine, params }) {
      const { id } = await engine.sandboxes.get(params.id);
      return { previews: previews.list(id).map(previewWire) };
    },
    async createPreview({ engine, params, body }) {
      const { id } = await engine.sandboxes.get(params.id);
      const { port, expires_in_seconds, rewrite_host } = body;
      const wanted = { port, expiresInMs: expires_in_seconds * 1000, rewriteHost: rewrite_host };
      const { preview, token, url } = openPreview({ previews, config, listening }, id, wanted);
      return { ...previewWire(preview), url, token };
    },
    async deletePreview({ engine, params }) {
      const { id } = await engine.sandboxes.get(params.id);
      previews.remove(id, params.preview);
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

const previewWire = ({ id, port, rewriteHost, expiresAtMs }: PreviewRow): Preview => ({
  id,
  port,
  rewrite_host: rewriteHost,
  expires_at: new Date(expiresAtMs).toISOString(),
});

function interfaces() {
  return Object.entries(networkInterfaces()).map(([name, addresses = []]) => ({
    name,
    mac: addresses[0]?.mac ?? '',
    loopback: addresses.some(({ internal }) => internal),
    addresses: addresses.map(({ cidr, address }) => cidr ?? address),
  }));
}
