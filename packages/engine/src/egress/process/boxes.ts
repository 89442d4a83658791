import { requireSupported, type PinnedNames } from '@novasandbox/protocol/policy';
import type { Answer, SlotPlace } from '../../ports/egress.ts';
import { memberNames, type Joined } from '../dns/member-names.ts';
import { makeBox, type Box, type Outside, type Ruling } from '../box.ts';
import { serveForwards, type ServedForwards } from '../forwards.ts';
import type { HttpProxy } from '../proxy/http.ts';
import { holdPlace, type HeldPlace } from './held-place.ts';
import type { Listeners, ListenerSource } from './listeners.ts';

export interface ServeRequest extends Ruling {
  readonly slot: SlotPlace;
  readonly names: PinnedNames;
  readonly answers: readonly Answer[];
  readonly memberships: readonly Joined[];
  readonly hostnames: readonly string[];
}

/** The sandboxes that are served. */
export interface Boxes {
  serve(sandbox: string, request: ServeRequest): Promise<void>;
  forget(sandbox: string): void;
  find(sandbox: string): Box | undefined;
  ids(): readonly string[];
  all(): readonly Box[];
}

interface Served {
  readonly box: Box;
  readonly place: HeldPlace;
  readonly listeners: Listeners;
  readonly forwards: ServedForwards;
}

export function makeBoxes(source: ListenerSource, http: HttpProxy, outside: Omit<Outside, 'members'>): Boxes {
  const members = memberNames();
  const served = new Map<string, Served>();
  /** Slots are opened one by one. */
  let last: Promise<unknown> = Promise.resolve();
  const forget = (sandbox: string): void => {
    const found = served.get(sandbox);
    served.delete(sandbox);
    members.forget(sandbox);
    found?.forwards.close();
    found?.listeners.close();
    found?.box.close();
    found?.place[Symbol.dispose]();
  };
  const serveInTurn = async (sandbox: string, request: ServeRequest): Promise<void> => {
    const { slot, names, answers } = request;
    await using undo = new AsyncDisposableStack();
    const place = undo.use(holdPlace(slot));
    const found = served.get(sandbox);
    if (found?.place.name === place.name) {
      members.set(sandbox, request);
      found.box.questions.answer(answers);
      return found.box.change(request);
    }
    const known = found?.box.names.all() ?? [];
    forget(sandbox);
    // A slot has one sandbox: what another one still has there has ended.
    for (const [other, each] of served) if (each.place.name === place.name) forget(other);
    const listeners = await source.open(place.at);
    undo.defer(() => listeners.close());
    const forwards = await serveForwards(source, place.at, typeof slot === 'number' ? [] : slot.forwards);
    const box = makeBox(sandbox, request, [...names, ...known], { ...outside, members });
    box.questions.answer(answers);
    served.set(sandbox, { box, place, listeners, forwards });
    members.set(sandbox, request);
    undo.move();
    listeners.serve(box, http);
  };
  return {
    async serve(sandbox, request) {
      if (request.policy !== null) requireSupported(request.policy);
      const serving = last.then(() => serveInTurn(sandbox, request));
      last = serving.catch(() => undefined);
      await serving;
    },
    forget,
    find: (sandbox) => served.get(sandbox)?.box,
    ids: () => [...served.keys()],
    all: () => [...served.values()].map(({ box }) => box),
  };
}
