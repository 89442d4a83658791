import { forkSchema, hasMachine, parse, toNovaError, type SandboxInfo, type SnapshotInfo } from '@novasandbox/protocol';
import type { Subject } from '../context.ts';
import type { FoundSnapshots } from './found.ts';
import { timed, type Observation } from './observation.ts';
import { turns } from './turns.ts';

/** Snapshots and forks: what they make counts towards the limits and is seen at once, as a create's sandbox is. */
export function observedSnapshots(observation: Observation): FoundSnapshots {
  const { engine, events, roster, limits, activity } = observation;
  const { snapshots } = engine;

  /** The sandbox that the snapshot is of, as far as the snapshot's owner may hear of it. */
  const about = ({ sandboxId: id, owner, team }: SnapshotInfo): Subject => ({ id, owner, team });
  const told = ({ id, name, kind }: SnapshotInfo) => ({ snapshot: id, name, kind });
  const removed = (snapshot: SnapshotInfo): void => events.emit('snapshot.removed', about(snapshot), told(snapshot));
  const failed = (maker: Pick<Subject, 'owner' | 'team'> | undefined, name: string | undefined, error: unknown) => {
    const { code, message } = toNovaError(error);
    const { owner, team } = maker ?? { owner: null, team: null };
    events.emit('vm.failed', { id: null, owner, team }, { name: name ?? null, code, message });
  };

  return {
    get: async (snapshot) => snapshot,
    list: (filter, scope) => snapshots.list(filter, scope),
    statistics: (scope) => snapshots.statistics(scope),
    async take(vm, how, context) {
      using _busy = activity.busy(vm.id);
      const taken = await timed(observation, 'snapshot', 'create', () => snapshots.take(vm.id, how, context));
      events.emit('snapshot.taken', about(taken), told(taken));
      return taken;
    },
    async remove(snapshot) {
      await timed(observation, 'snapshot', 'delete', () => snapshots.remove(snapshot.id));
      removed(snapshot);
    },
    async removeOlder(ageMs, scope) {
      const gone = await timed(observation, 'snapshot', 'delete', () => snapshots.removeOlder(ageMs, scope));
      for (const each of gone) removed(each);
      return gone;
    },
    verify: ({ id }, context) => timed(observation, 'snapshot', 'verify', () => snapshots.verify(id, context)),
    save: ({ id }, context) => timed(observation, 'snapshot', 'export', () => snapshots.save(id, context)),
    async load(source, how, context) {
      const loaded = await timed(observation, 'snapshot', 'import', () => snapshots.load(source, how, context));
      events.emit('snapshot.imported', about(loaded), told(loaded));
      return loaded;
    },
    async create(snapshot, config, context) {
      const { vcpus, memoryMb, enableNetwork } = snapshot;
      await limits.check({ vcpus, memoryMb, enableNetwork, hostPort: config?.hostPort });
      using _place = limits.reserve();
      try {
        const made = await timed(observation, 'vm', 'clone', () =>
          snapshots.create(snapshot.id, config, { ...context, ready: turns }),
        );
        roster.saw(made);
        return made;
      } catch (error) {
        failed(context?.ownership, config?.name, error);
        throw error;
      }
    },
    async restore({ id }, snapshot, context) {
      const before = await engine.sandboxes.get(id);
      using _place = hasMachine(before.state) ? undefined : limits.reserve();
      using _busy = activity.busy(id);
      const restored = await timed(observation, 'snapshot', 'restore', () =>
        snapshots.restore(id, snapshot.id, context),
      );
      roster.saw(restored);
      events.emit('snapshot.restored', restored, told(snapshot));
      return restored;
    },
    async fork(vm, how, context) {
      const { count, name } = parse(forkSchema, how ?? {}, 'fork');
      await limits.check({ vcpus: vm.vcpus, memoryMb: vm.memoryMb, enableNetwork: vm.enableNetwork });
      using _places = limits.reserve(count);
      using _busy = activity.busy(vm.id);
      const results = await timed(observation, 'vm', 'fork', () =>
        snapshots.fork(vm.id, how, { ...context, ready: turns }),
      );
      const children: SandboxInfo[] = results.flatMap(({ sandbox }) => sandbox ?? []);
      for (const child of children) roster.saw(child);
      for (const { error } of results) if (error !== null) failed(context?.ownership, name, error);
      const failures = count - children.length;
      events.emit('vm.forked', vm, { children: children.map(({ id }) => id), failed: failures });
      return results;
    },
  };
}
