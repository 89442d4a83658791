import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { settle } from '../sandbox/reconcile.ts';
import { findNetwork } from './info.ts';

/** Removes a network without members. */
export async function removeNetwork(context: EngineContext, ref: string): Promise<void> {
  const { store } = context;
  const { id, name } = findNetwork(context, ref);
  let members = store.removeNetwork(id);
  if (members.length > 0) {
    // A sandbox that goes with its end may have ended without anybody having noticed.
    for (const { sandboxId } of members) {
      const record = store.findSandbox(sandboxId);
      if (record?.id === sandboxId) await settle(context, record);
    }
    members = store.removeNetwork(id);
  }
  const [first] = members;
  if (first === undefined) return;
  const sandbox = store.findSandbox(first.sandboxId)?.name ?? first.sandboxId;
  const others = members.length === 1 ? '' : `, and ${members.length - 1} more`;
  throw new NovaError('network_in_use', `The network ${name} has members: ${sandbox}${others}.`, {
    details: { network: name, members: members.map(({ sandboxId }) => sandboxId) },
  });
}
