import type { Engine } from '@novasandbox/engine/services';
import { endpointOf, type DaemonAddress } from './address.ts';
import { remoteEvents } from './events.ts';
import { createRemoteExec } from './exec.ts';
import { createRemoteFiles } from './files.ts';
import { createHttp, type HttpClient } from './http.ts';
import { createRemotePorts, type PortService } from './ports.ts';
import { createRemoteSandboxes } from './sandboxes.ts';
import { createRemoteSnapshots } from './snapshots.ts';
import { createSockets } from './socket.ts';

/** The part of an engine that is about sandboxes and their state, without the administration of the host. */
export type SandboxEngine = Omit<
  Engine,
  'templates' | 'pool' | 'storage' | 'volumes' | 'networks' | 'policies' | 'hypervisors'
>;

/** A daemon also offers the ports of sandboxes to others. */
export type RemoteSandboxes = SandboxEngine & { readonly ports: PortService };

const clients = new WeakMap<SandboxEngine, HttpClient>();

/** The sandboxes of a daemon: the services over its REST API and WebSockets. Creating it does not connect yet. */
export function createSandboxEngine(address: DaemonAddress): SandboxEngine {
  const { engine, http } = connectTo(address);
  clients.set(engine, http);
  return engine;
}

/** Returns the client with which `createSandboxEngine` made an engine; undefined for any other engine. */
export const clientOf = (engine: SandboxEngine): HttpClient | undefined => clients.get(engine);

export function connectTo(address: DaemonAddress): { readonly engine: RemoteSandboxes; readonly http: HttpClient } {
  const endpoint = endpointOf(address);
  const http = createHttp(endpoint);
  const sockets = createSockets(endpoint);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= Promise.all([sockets.close(), http.close()]).then(() => undefined));
  const engine: RemoteSandboxes = {
    place: { url: endpoint.origin + endpoint.prefix },
    sandboxes: createRemoteSandboxes(http, sockets.open),
    exec: createRemoteExec(http, sockets.open),
    files: createRemoteFiles(http, sockets.open),
    snapshots: createRemoteSnapshots(http),
    ports: createRemotePorts(http),
    events: (filter, context) => remoteEvents(http, filter, context?.signal),
    close,
    [Symbol.asyncDispose]: close,
  };
  return { engine, http };
}
