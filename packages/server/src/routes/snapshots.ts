import { snapshotWireOf, statisticsWireOf, vmOf } from '@novasandbox/protocol/api';
import { patiently } from '../bodies/body-time.ts';
import type { RouteContext } from '../daemon-context.ts';
import { snapshotAnswer } from '../streams/snapshot.ts';
import { exportVm } from '../vms/export.ts';
import { forkVm } from '../vms/fork.ts';
import { cloneSnapshot, pageOfSnapshots, snapshotOfVm, takeSnapshot } from '../vms/snapshots.ts';
import type { JsonHandlers, StreamHandlers } from './call.ts';

const dayMs = 86_400_000;

/** Snapshots and forks of VMs. */
export function snapshotHandlers(
  context: RouteContext,
): Pick<
  JsonHandlers,
  | 'takeSnapshot'
  | 'listVmSnapshots'
  | 'getVmSnapshot'
  | 'deleteVmSnapshot'
  | 'restoreVmSnapshot'
  | 'cloneVmSnapshot'
  | 'verifyVmSnapshot'
  | 'listSnapshots'
  | 'snapshotStatistics'
  | 'cleanUpSnapshots'
  | 'importSnapshot'
  | 'getSnapshot'
  | 'deleteSnapshot'
  | 'cloneSnapshot'
  | 'verifySnapshot'
  | 'forkVm'
  | 'cloneVm'
> {
  const silenceMs = context.config.server.body_timeout_seconds * 1000;
  return {
    takeSnapshot: ({ engine, params, body, ...call }) => takeSnapshot(engine, params.id, body, call),
    listVmSnapshots: ({ engine, params, query }) => pageOfSnapshots(engine, { ...query, vm: params.id }),
    getVmSnapshot: async ({ engine, params }) => snapshotWireOf(await snapshotOfVm(engine, params)),
    async deleteVmSnapshot({ engine, params }) {
      const { id } = await snapshotOfVm(engine, params);
      await engine.snapshots.remove(id);
    },
    restoreVmSnapshot: async ({ engine, params, signal }) =>
      vmOf(await engine.snapshots.restore(params.id, params.snapshot, { signal })),
    async cloneVmSnapshot({ engine, params, body, signal, newId }) {
      const { id } = await snapshotOfVm(engine, params);
      return cloneSnapshot(context, engine, id, body, { signal, newId });
    },
    async verifyVmSnapshot({ engine, params, signal }) {
      const { id } = await snapshotOfVm(engine, params);
      return engine.snapshots.verify(id, { signal });
    },
    listSnapshots: ({ engine, query }) => pageOfSnapshots(engine, query),
    snapshotStatistics: async ({ engine }) => statisticsWireOf(await engine.snapshots.statistics()),
    async cleanUpSnapshots({ engine, query }) {
      const removed = await engine.snapshots.removeOlder(query.days_old * dayMs);
      return { removed: removed.map(snapshotWireOf) };
    },
    importSnapshot: async ({ engine, query, request, signal }) =>
      snapshotWireOf(await engine.snapshots.load(patiently(request.raw, silenceMs), query, { signal })),
    getSnapshot: async ({ engine, params }) => snapshotWireOf(await engine.snapshots.get(params.snapshot)),
    deleteSnapshot: ({ engine, params }) => engine.snapshots.remove(params.snapshot),
    cloneSnapshot: ({ engine, params, body, signal, newId }) =>
      cloneSnapshot(context, engine, params.snapshot, body, { signal, newId }),
    verifySnapshot: ({ engine, params, signal }) => engine.snapshots.verify(params.snapshot, { signal }),
    forkVm: ({ engine, params, body, ...call }) => forkVm(context, engine, params.id, body, call),
    cloneVm: ({ engine, params, body, ...call }) => forkVm(context, engine, params.id, body, call),
  };
}

export function snapshotStreams(
  context: RouteContext,
): Pick<StreamHandlers, 'exportVmSnapshot' | 'exportSnapshot' | 'exportVm'> {
  return {
    async exportVmSnapshot({ engine, params, signal }) {
      const { id, name } = await snapshotOfVm(engine, params);
      return snapshotAnswer(name ?? id, await engine.snapshots.save(id, { signal }));
    },
    async exportSnapshot({ engine, params, signal }) {
      const { id, name } = await engine.snapshots.get(params.snapshot);
      return snapshotAnswer(name ?? id, await engine.snapshots.save(id, { signal }));
    },
    async exportVm({ engine, params, signal }) {
      const { name, bytes } = await exportVm(context, engine, params.id, signal);
      return snapshotAnswer(name, bytes);
    },
  };
}
