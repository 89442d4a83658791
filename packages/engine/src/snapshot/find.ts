import { NovaError, type Scope, type SnapshotInfo } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import type { SnapshotRecord } from '../ports/store.ts';

/** The snapshot meant by an id, a prefix or a name. */
export function findSnapshot(
  { store }: Pick<EngineContext, 'store'>,
  ref: string,
  scope?: Scope,
  of?: string,
): SnapshotRecord {
  const record = store.findSnapshot(ref, scope, of);
  if (record !== null) return record;
  throw new NovaError('snapshot_not_found', `There is no snapshot "${ref}"${of === undefined ? '' : ` of ${of}`}.`);
}

/** The public view of a record. */
export function toSnapshotInfo(record: SnapshotRecord): SnapshotInfo {
  const { config } = record;
  return {
    id: record.id,
    name: record.name,
    description: record.description,
    owner: record.owner,
    team: record.team,
    kind: record.kind,
    sandboxId: record.sandboxId,
    sandboxName: record.sandboxName,
    parentId: record.parentId,
    templateId: config.templateId,
    hypervisor: record.hypervisor,
    architecture: config.architecture ?? hostArchitecture().name,
    memoryMb: record.memoryMb,
    vcpus: record.vcpus,
    diskSizeMb: record.diskSizeMb,
    enableNetwork: config.enableNetwork,
    labels: record.labels,
    createdAt: new Date(record.createdAtMs).toISOString(),
    incremental: record.memoryFrom !== null,
    memoryBytes: record.memoryBytes,
    diskBytes: record.diskBytes,
    stoppedMs: record.stoppedMs,
  };
}
