import type { Engine } from '@novasandbox/engine';
import { happenedBetween, type SandboxInfo } from '@novasandbox/protocol';
import type { Events } from '../context.ts';

/**
 * The sandboxes as the daemon last saw them. Events are made from observed changes, so that each change is reported
 * once, whether a route, another process of this host or the guest itself made it.
 */
export interface Roster {
  /** Records the state that an operation returned. */
  saw(info: SandboxInfo): void;
  gone(id: string): void;
  /** Reads the state of all sandboxes. The first call emits no events. */
  refresh(): Promise<void>;
  list(): readonly SandboxInfo[];
  /** Returns the sandbox with that whole id, as it was last seen. */
  find(id: string): SandboxInfo | undefined;
}

export function createRoster(engine: Engine, events: Events, onGone: (id: string) => void): Roster {
  const known = new Map<string, SandboxInfo>();
  /**
   * The step at which an operation last reported each sandbox. A listing that began before that step is older and must
   * not overwrite it.
   */
  const told = new Map<string, number>();
  let step = 0;
  let begun = false;

  const tell = (before: SandboxInfo | undefined, after: SandboxInfo | undefined): void => {
    if (!begun) return;
    for (const { type, about, data } of happenedBetween(before, after)) events.emit(type, about, data);
  };
  const take = (info: SandboxInfo): void => {
    const before = known.get(info.id);
    known.set(info.id, info);
    tell(before, info);
  };
  const drop = (id: string): void => {
    const before = known.get(id);
    if (before === undefined) return;
    known.delete(id);
    onGone(id);
    tell(before, undefined);
  };

  return {
    saw(info) {
      told.set(info.id, ++step);
      take(info);
    },
    gone(id) {
      told.set(id, ++step);
      drop(id);
    },
    async refresh() {
      const began = ++step;
      const infos = await engine.sandboxes.list({ all: true });
      const fresh = (id: string): boolean => (told.get(id) ?? 0) > began;
      const listed = new Set(infos.map(({ id }) => id));
      for (const info of infos) if (!fresh(info.id)) take(info);
      for (const id of known.keys()) if (!listed.has(id) && !fresh(id)) drop(id);
      for (const [id, at] of told) if (at < began) told.delete(id);
      begun = true;
    },
    list: () => [...known.values()],
    find: (id) => known.get(id),
  };
}
