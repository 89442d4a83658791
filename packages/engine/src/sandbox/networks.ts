import { NovaError, type SandboxConfig, type Scope } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';

/**
 * Finds the private networks that a config names, by their ids.
 *
 * @param scope where names are looked up; default: everything
 * @throws NovaError `network_not_found`; `invalid_argument` where two names mean one network, or two networks have the
 * same name, which is that of their members too
 */
export function findNetworks(
  { store }: Pick<EngineContext, 'store'>,
  { networks }: Pick<SandboxConfig, 'networks'>,
  scope?: Scope,
): string[] {
  const found = networks.map((ref) => {
    const network = store.findNetwork(ref, scope);
    if (network !== null) return network;
    throw new NovaError('network_not_found', `There is no network "${ref}".`, {
      hint: `List the networks with \`nova network ls\`, or make it with \`nova network create ${ref}\`.`,
    });
  });
  if (new Set(found.map(({ name }) => name)).size < found.length)
    throw new NovaError('invalid_argument', 'networks: names a network twice, or two of the same name.');
  return found.map(({ id }) => id);
}
