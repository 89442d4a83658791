import type { SandboxInfo } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { isAsleep } from './kept-memory.ts';

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** The public view of a record. */
export function toInfo(record: SandboxRecord): SandboxInfo {
  const { config } = record;
  return {
    id: record.id,
    name: record.name,
    owner: record.owner,
    team: record.team,
    // A sandbox that is being woken counts as hibernated until it runs, as it does again where waking it fails.
    state: isAsleep(record) ? 'hibernated' : record.state,
    templateId: config.templateId,
    hypervisor: record.hypervisor,
    memoryMb: record.memoryMb,
    vcpus: record.vcpus,
    diskSizeMb: record.diskSizeMb,
    architecture: config.architecture ?? hostArchitecture().name,
    enableNetwork: config.enableNetwork,
    hostPort: config.hostPort ?? null,
    guestPort: config.guestPort,
    labels: config.labels,
    createdAt: new Date(record.createdAtMs).toISOString(),
    startedAt: iso(record.startedAtMs),
    stoppedAt: iso(record.stoppedAtMs),
    expiresAt: iso(record.expiresAtMs),
    ephemeral: config.ephemeral,
    onTimeout: config.onTimeout,
    autoResume: config.autoResume,
    metadata: { bootTimeMs: record.bootTimeMs, bootKind: record.bootKind, accelerator: record.accelerator },
    reason: record.reason,
    fullDisks: [...record.fullDisks],
    forkedFrom: record.forkedFrom,
    snapshotId: record.snapshotId,
    restoredAt: iso(record.restoredAtMs),
    volumes: [...config.volumes],
    networks: [...config.networks],
  };
}
