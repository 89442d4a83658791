import { NovaError } from '@novasandbox/protocol';

/** The client's `#workspace`: the client has no workspaces, because they need a folder and a database of the host. */
export type Workspace = never;

export function workspaceOf(): never {
  throw new NovaError('feature_unsupported', 'Workspaces are in the package novasandbox alone.');
}
