import { within } from '@novasandbox/protocol';
import type { Caller, Events, Services, View } from '../context.ts';
import type { Roster } from '../observe/roster.ts';
import { authorised } from './engine.ts';

export interface ViewParts {
  /** The observed engine: authority is asked first, then limits, then events are told. */
  readonly engine: Services;
  readonly roster: Pick<Roster, 'find' | 'list'>;
  readonly events: Events;
}

/** Makes each caller's view of the daemon. Keys keep theirs. */
export function createViews({ engine, roster, events }: ViewParts): (caller: Caller) => View {
  const made = new WeakMap<Caller, View>();
  return (caller) => {
    const { scope } = caller;
    const view = made.get(caller) ?? {
      engine: authorised(engine, caller, (id) => roster.find(id)),
      vms: () => roster.list().filter((info) => within(scope, info)),
      events: (filter, signal) => events.subscribe({ ...filter, scope }, signal),
    };
    made.set(caller, view);
    return view;
  };
}
