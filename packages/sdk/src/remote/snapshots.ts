import type { CallContext, SnapshotService } from '@novasandbox/engine/services';
import { inWordsOfLibrary } from '@novasandbox/protocol';
import { infoOfVm, snapshotOfWire, statisticsOfWire, toWire, type SnapshotWire } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';
import { streamOf } from './read-file.ts';
import { errorOfWire } from './remote-error.ts';

const dayMs = 86_400_000;
/** These calls take as long as memory and disk are large, so only the caller limits them. */
const patient = (context: CallContext | undefined) => ({ signal: context?.signal, timeoutMs: 0 });

/** Snapshots over the daemon; their files are streamed. */
export function createRemoteSnapshots(http: HttpClient): SnapshotService {
  return {
    async take(id, { name, description, memory, labels } = {}, context) {
      const body = { name, description, include_memory: memory, metadata: labels };
      return snapshotOfWire(await http.call('takeSnapshot', { id }, { body, ...patient(context) }));
    },
    get: async (snapshot, _scope, id) =>
      snapshotOfWire(
        await (id === undefined
          ? http.call('getSnapshot', { snapshot })
          : http.call('getVmSnapshot', { id, snapshot })),
      ),
    async list({ sandbox: vm, labels = {} } = {}) {
      const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      const found: SnapshotWire[] = [];
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await http.call('listSnapshots', {}, { query: { vm, label, limit: 1000, cursor } });
        found.push(...page.snapshots);
        cursor = page.next_cursor;
      }
      return found.map(snapshotOfWire);
    },
    async remove(snapshot) {
      await http.call('deleteSnapshot', { snapshot });
    },
    verify: (snapshot, context) => http.call('verifySnapshot', { snapshot }, patient(context)),
    async create(snapshot, config = {}, context) {
      const body = { ...toWire(config), include_memory: config.memory };
      try {
        return infoOfVm(await http.call('cloneSnapshot', { snapshot }, { body, ...patient(context) }));
      } catch (error) {
        throw inWordsOfLibrary(error);
      }
    },
    restore: async (id, snapshot, context) =>
      infoOfVm(await http.call('restoreVmSnapshot', { id, snapshot }, patient(context))),
    async fork(id, how = {}, context) {
      const body = { ...toWire(how), count: how.count };
      try {
        const { results } = await http.call('forkVm', { id }, { body, ...patient(context) });
        return results.map(({ vm, error }) =>
          vm === null ? { sandbox: null, error: errorOfWire(error) } : { sandbox: infoOfVm(vm), error: null },
        );
      } catch (error) {
        throw inWordsOfLibrary(error);
      }
    },
    async save(snapshot, context) {
      const body = await http.stream('exportSnapshot', { snapshot }, patient(context));
      return streamOf(body, context?.signal);
    },
    load: async (bytes, { name } = {}, context) =>
      snapshotOfWire(await http.call('importSnapshot', {}, { query: { name }, bytes, signal: context?.signal })),
    statistics: async () => statisticsOfWire(await http.call('snapshotStatistics', {})),
    async removeOlder(ageMs) {
      const query = { days_old: ageMs / dayMs };
      return (await http.call('cleanUpSnapshots', {}, { query, ...patient(undefined) })).removed.map(snapshotOfWire);
    },
  };
}
