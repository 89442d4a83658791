import type { Engine, HypervisorReport } from '@novasandbox/engine/services';
import { administrationRoutes } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';
import { notOverDaemon } from '../remote-error.ts';
import { createRemoteAccess, type AccessService } from './access.ts';
import { createRemotePolicies } from './policies.ts';
import { createRemoteStorage } from './storage.ts';
import { createRemoteTemplates } from './templates.ts';
import { createRemoteVolumes } from './volumes.ts';
import { createRemoteNetworks } from './networks.ts';
import { createRemotePool } from './warm-pool.ts';

/** The services of an engine about the host rather than about sandboxes; a daemon also has keys and users. */
export interface Administration extends Pick<
  Engine,
  'templates' | 'pool' | 'storage' | 'volumes' | 'networks' | 'policies' | 'hypervisors'
> {
  readonly access: AccessService;
}

export function createAdministration(client: HttpClient): Administration {
  const http = client.knowing(administrationRoutes);
  return {
    templates: createRemoteTemplates(http),
    pool: createRemotePool(http),
    storage: createRemoteStorage(http),
    volumes: createRemoteVolumes(http),
    networks: createRemoteNetworks(http),
    policies: createRemotePolicies(http),
    async hypervisors({ fresh = false, signal, architecture } = {}) {
      if (fresh) throw notOverDaemon('A fresh probe');
      if (architecture !== undefined) throw notOverDaemon('A probe for another processor');
      const { hypervisors } = await http.call('systemInfo', {}, { signal });
      return hypervisors.map(reportOfWire);
    },
    access: createRemoteAccess(http),
  };
}

function reportOfWire({
  name,
  features,
  ...probe
}: {
  readonly name: string;
  readonly available: boolean;
  readonly accelerator: string;
  readonly version: string;
  readonly reason: string;
  readonly features: HypervisorReport['features'];
}): HypervisorReport {
  // The contract does not report the program's path on the daemon's host.
  return { name: name as HypervisorReport['name'], features, probe: { ...probe, binary: '' } };
}
