import { everything, within } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { SnapshotService } from '../services.ts';
import { createFromSnapshot } from './create.ts';
import { findSnapshot, toSnapshotInfo } from './find.ts';
import { forkSandbox } from './fork.ts';
import { loadSnapshot } from './load.ts';
import { removeOlder, removeSnapshot } from './remove.ts';
import { restoreSandbox } from './restore.ts';
import { saveSnapshot } from './save.ts';
import { snapshotStatistics } from './statistics.ts';
import { takeSnapshot } from './take.ts';
import { verifySnapshot } from './verify.ts';

/** Snapshots of sandboxes, and what goes on from them; each verb is a file beside this one. */
export function createSnapshotService(context: EngineContext): SnapshotService {
  return {
    take: (sandbox, how, call) => takeSnapshot(context, sandbox, how, call),
    get: async (ref, scope, of) => toSnapshotInfo(findSnapshot(context, ref, scope, of)),
    async list({ sandbox, labels = {} } = {}, scope = everything) {
      return context.store
        .listSnapshots()
        .filter(
          (each) =>
            within(scope, each) &&
            (sandbox === undefined || each.sandboxId === sandbox) &&
            Object.entries(labels).every(([key, value]) => each.labels[key] === value),
        )
        .map(toSnapshotInfo);
    },
    remove: (ref) => removeSnapshot(context, ref),
    verify: (ref, call) => verifySnapshot(context, ref, call),
    create: (ref, config, call) => createFromSnapshot(context, ref, config, call),
    restore: (sandbox, ref, call) => restoreSandbox(context, sandbox, ref, call),
    fork: (sandbox, how, call) => forkSandbox(context, sandbox, how, call),
    save: (ref, call) => saveSnapshot(context, ref, call),
    load: (source, how, call) => loadSnapshot(context, source, how, call),
    statistics: async (scope) => snapshotStatistics(context, scope),
    removeOlder: (ageMs, scope) => removeOlder(context, ageMs, scope),
  };
}
