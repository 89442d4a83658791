import type { Engine } from '@novasandbox/engine';
import type { SandboxInfo, SandboxState } from '@novasandbox/protocol';
import type { NovaEvent } from '@novasandbox/protocol/api';
import type { Events } from '../context.ts';

type EventType = NovaEvent['type'];

/** What a change of state is called; the one place that says so. */
const changes: Readonly<Record<SandboxState, Partial<Record<SandboxState, EventType>>>> = {
  creating: { running: 'vm.started', paused: 'vm.paused', stopped: 'vm.failed', failed: 'vm.failed' },
  running: { paused: 'vm.paused', stopped: 'vm.stopped', failed: 'vm.failed', creating: 'vm.stopped' },
  paused: { running: 'vm.resumed', stopped: 'vm.stopped', failed: 'vm.failed', creating: 'vm.stopped' },
  stopped: { running: 'vm.started' },
  failed: { running: 'vm.started' },
};

/**
 * The sandboxes as the daemon last saw them. Whatever changes one - a route, another process of this host, the guest itself - is told as an event, once:
 * events come from what was seen, not from who did it.
 */
export interface Roster {
  /** Takes in what an operation returned. */
  saw(info: SandboxInfo): void;
  gone(id: string): void;
  /** Looks at all of them; at the start, events are left out. */
  refresh(): Promise<void>;
  list(): readonly SandboxInfo[];
  /** The sandbox of that whole id, as it was last seen. */
  find(id: string): SandboxInfo | undefined;
  /** The sandbox behind an id, a prefix or a name. Throws `sandbox_not_found`. */
  infoOf(ref: string): Promise<SandboxInfo>;
  /** Its id. */
  idOf(ref: string): Promise<string>;
}

export function createRoster(engine: Engine, events: Events, onGone: (id: string) => void): Roster {
  const known = new Map<string, SandboxInfo>();
  /** When an operation last told of one, on a clock of steps: a listing that began before knows less. */
  const told = new Map<string, number>();
  let step = 0;
  let begun = false;

  const data = ({ name, templateId, reason }: SandboxInfo): Record<string, unknown> => ({
    name,
    template: templateId,
    ...(reason === null ? {} : { reason }),
  });
  const take = (info: SandboxInfo): void => {
    const before = known.get(info.id);
    known.set(info.id, info);
    if (!begun || before?.state === info.state) return;
    if (before === undefined) {
      events.emit(info.state === 'creating' ? 'vm.creating' : 'vm.created', info, data(info));
      return;
    }
    if (before.state === 'creating' && info.state === 'running' && before.startedAt === null) {
      events.emit('vm.created', info, data(info));
    }
    const type = changes[before.state][info.state];
    if (type !== undefined) events.emit(type, info, data(info));
  };
  const drop = (id: string): void => {
    const before = known.get(id);
    if (before === undefined) return;
    known.delete(id);
    onGone(id);
    if (!begun) return;
    // One that never came to be is told of by whoever made it.
    if (before.state === 'creating' && before.startedAt === null) return;
    if (before.state === 'running' || before.state === 'paused') events.emit('vm.stopped', before, data(before));
    events.emit('vm.removed', before, data(before));
  };

  const infoOf = async (ref: string): Promise<SandboxInfo> => known.get(ref) ?? (await engine.sandboxes.get(ref));

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
    infoOf,
    idOf: async (ref) => (await infoOf(ref)).id,
  };
}
