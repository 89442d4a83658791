import type { Engine } from '@novasandbox/engine/services';
import type { DaemonAddress } from './address.ts';
import type { AccessService } from './administration/access.ts';
import { createAdministration } from './administration/administration.ts';
import type { PortService } from './ports.ts';
import { connectTo } from './sandbox-engine.ts';

/** The engine of a daemon, which also has keys, users and ports. */
export interface RemoteEngine extends Engine {
  readonly access: AccessService;
  readonly ports: PortService;
}

/**
 * The engine of a daemon: the same services over its REST API and WebSockets. Creating it does not connect yet. Errors
 * have the same codes as in the embedded engine; `server_unreachable` is the only addition.
 */
export function createRemoteEngine(address: DaemonAddress): RemoteEngine {
  const { engine, http } = connectTo(address);
  return { ...engine, ...createAdministration(http) };
}
