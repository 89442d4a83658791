import type { LocalEngine } from '@novasandbox/engine';
import { NovaError, within } from '@novasandbox/protocol';
import type { Caller, Events, View } from '../context.ts';
import type { FoundServices } from '../observe/found.ts';
import type { Roster } from '../observe/roster.ts';
import { authorised, type Directory } from './engine.ts';

export interface ViewParts {
  /** The observed engine: permissions are checked first, then limits, and events are emitted last. */
  readonly engine: FoundServices;
  /** Looks up names, and knows which hypervisors do not isolate. */
  readonly quietEngine: LocalEngine;
  readonly roster: Pick<Roster, 'find' | 'list'>;
  readonly events: Events;
}

/** Makes each caller's view of the daemon. A view is made once for each caller object, which API keys keep. */
export function createViews({ engine, quietEngine, roster, events }: ViewParts): (caller: Caller) => View {
  const directory: Directory = {
    known: (id) => roster.find(id),
    find: (ref, scope) => quietEngine.sandboxes.get(ref, scope),
    findSnapshot: (ref, scope, of) => quietEngine.snapshots.get(ref, scope, of),
    findVolume: (ref, scope) => quietEngine.volumes.get(ref, scope),
    findNetwork: (ref, scope) => quietEngine.networks.get(ref, scope),
    findPolicy: (ref, scope) => quietEngine.policies.get(ref, scope),
    async findApproval(id, scope) {
      const found = (await quietEngine.policies.approvals({}, scope)).find((each) => each.id === id);
      if (found !== undefined) return found;
      throw new NovaError('not_found', `There is no question ${id.slice(0, 64)}.`);
    },
  };
  const made = new WeakMap<Caller, View>();
  return (caller) => {
    const { scope } = caller;
    const view = made.get(caller) ?? {
      engine: authorised(engine, caller, directory, quietEngine.drivers),
      vms: () => roster.list().filter((info) => within(scope, info)),
      events: (filter, signal) => events.subscribe({ ...filter, scope }, signal),
    };
    made.set(caller, view);
    return view;
  };
}
