import type { Engine, HypervisorReport } from '@novasandbox/engine/services';
import { endpointOf, type DaemonAddress } from './address.ts';
import { createRemoteExec } from './exec.ts';
import { createRemoteFiles } from './files.ts';
import { createHttp } from './http.ts';
import { notOverDaemon } from './remote-error.ts';
import { createRemoteSandboxes } from './sandboxes.ts';
import { createSockets } from './socket.ts';
import { createRemoteTemplates } from './templates.ts';

/**
 * The engine of a daemon: the same services, over its REST API and WebSockets. Making one connects to nothing yet. Errors have the codes they
 * have embedded; `server_unreachable` is the one that is added.
 */
export function createRemoteEngine(address: DaemonAddress): Engine {
  const endpoint = endpointOf(address);
  const http = createHttp(endpoint);
  const sockets = createSockets(endpoint);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= Promise.all([sockets.close(), http.close()]).then(() => undefined));
  return {
    sandboxes: createRemoteSandboxes(http, sockets.open),
    exec: createRemoteExec(http, sockets.open),
    files: createRemoteFiles(http, sockets.open),
    templates: createRemoteTemplates(http),
    async hypervisors({ fresh = false, signal, architecture } = {}) {
      if (fresh) throw notOverDaemon('A fresh probe');
      if (architecture !== undefined) throw notOverDaemon('A probe for another processor');
      const { hypervisors } = await http.call('systemInfo', {}, { signal });
      return hypervisors.map(reportOfWire);
    },
    close,
    [Symbol.asyncDispose]: close,
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
  // Where the program lies on the daemon's host is not told.
  return { name: name as HypervisorReport['name'], features, probe: { ...probe, binary: '' } };
}
