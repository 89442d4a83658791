import type { Manifest } from '@novasandbox/engine/services';
import { notOverDaemon } from '../remote-error.ts';

/** The client's `#manifest`: manifests serve workspaces, which the client does not have. */
export function listRemoteManifest(): Promise<Manifest> {
  return Promise.reject(notOverDaemon('A manifest with this package'));
}
