import type { EngineContext } from '../context.ts';
import type { NetworkService } from '../services.ts';
import { isolateNetwork } from './change.ts';
import { createNetwork } from './create.ts';
import { findNetwork, listNetworks, toNetworkInfo } from './info.ts';
import { removeNetwork } from './remove.ts';

/** The life of private networks; each verb is a file beside this one. */
export function createNetworkService(context: EngineContext): NetworkService {
  return {
    create: (network, call) => createNetwork(context, network, call),
    get: async (ref, scope) => toNetworkInfo(context, findNetwork(context, ref, scope)),
    list: async (scope) => listNetworks(context, scope),
    isolate: (ref, isolation, call) => isolateNetwork(context, ref, isolation, call),
    remove: (ref) => removeNetwork(context, ref),
  };
}
