import { isolationSchema, NovaError, parse, type Isolation, type NetworkInfo } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallContext } from '../services.ts';
import { findNetwork, toNetworkInfo } from './info.ts';

/** Changes what the members of a network may send each other, at once, also within connections that they have. */
export async function isolateNetwork(
  context: EngineContext,
  ref: string,
  wanted: Isolation,
  { signal }: CallContext = {},
): Promise<NetworkInfo> {
  const isolation = parse(isolationSchema, wanted, 'isolation');
  const { id, name } = findNetwork(context, ref);
  const changed = context.store.changeNetwork(id, { isolation });
  if (changed === null) throw new NovaError('network_not_found', `The network ${name} was removed meanwhile.`);
  // Whoever joins from now on finds the new rules, so these are the last that could be others.
  await context.network.isolate(id, isolation, signal);
  return toNetworkInfo(context, changed);
}
