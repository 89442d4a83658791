import { newNetworkSchema, parse, type NetworkInfo, type NewNetworkInput } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { newSandboxId } from '../sandbox/id.ts';
import type { OwnedContext } from '../services.ts';
import { toNetworkInfo } from './info.ts';

/** Makes a private network. The host has nothing of it until a sandbox joins. */
export async function createNetwork(
  context: EngineContext,
  input: NewNetworkInput,
  { ownership = { owner: null, team: null }, signal }: OwnedContext = {},
): Promise<NetworkInfo> {
  const { name, subnet = null, isolation, bridge } = parse(newNetworkSchema, input, 'network');
  throwIfAborted(signal, 'before anything was made');
  const { owner, team } = ownership;
  const made = { id: newSandboxId(), name, owner, team, subnet, isolation, bridge, createdAtMs: Date.now() };
  return toNetworkInfo(context, context.store.addNetwork(made));
}
