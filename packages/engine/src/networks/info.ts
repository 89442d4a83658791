import { everything, NovaError, within, type NetworkInfo, type NetworkMember, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { NetworkRecord } from '../ports/store.ts';

/** The network meant by an id, a prefix or a name. */
export function findNetwork({ store }: Pick<EngineContext, 'store'>, ref: string, scope?: Scope): NetworkRecord {
  const record = store.findNetwork(ref, scope);
  if (record !== null) return record;
  throw new NovaError('network_not_found', `There is no network "${ref}".`);
}

export const listNetworks = (context: EngineContext, scope: Scope = everything): NetworkInfo[] =>
  context.store
    .listNetworks()
    .filter((each) => within(scope, each))
    .map((record) => toNetworkInfo(context, record));

/** The public view of a network, with its members. */
export function toNetworkInfo({ store }: Pick<EngineContext, 'store'>, record: NetworkRecord): NetworkInfo {
  const { id, name, owner, team, subnet, isolation, bridge, createdAtMs } = record;
  const members = store.membersOf(id).flatMap(({ sandboxId, address }): NetworkMember[] => {
    const sandbox = store.findSandbox(sandboxId);
    // Prefixes of ids are found too.
    if (sandbox?.id !== sandboxId) return [];
    return [{ sandboxId, sandboxName: sandbox.name, state: sandbox.state, address }];
  });
  return {
    ...{ id, name, owner, team, subnet, isolation, bridge, members },
    createdAt: new Date(createdAtMs).toISOString(),
  };
}
