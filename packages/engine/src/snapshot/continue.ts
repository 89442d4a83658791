import {
  continuedConfigSchema,
  givenLabels,
  parse,
  type ContinuedConfigInput,
  type SandboxConfig,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { openKeptMemory } from '../memory/kept.ts';
import type { SnapshotRecord } from '../ports/store.ts';
import { requireDriver } from '../sandbox/attach-machine.ts';
import type { Memory } from '../sandbox/boot-from-memory.ts';

/**
 * The config of a sandbox that goes on from another: as the other's, except for what no two can have. Reserved labels
 * say how the other is guarded, and do not hold for another owner.
 */
export function continuedConfig({ config }: Pick<SnapshotRecord, 'config'>, own: ContinuedConfigInput): SandboxConfig {
  const given = parse(continuedConfigSchema, own, 'config');
  const { name, labels, env, timeoutMs, ephemeral, onTimeout, autoResume, hostPort, policy, networks, volumes } = given;
  const { name: _name, hostPort: _hostPort, ...shared } = config;
  return {
    ...shared,
    ...(name === undefined ? {} : { name }),
    ...(hostPort === undefined ? {} : { hostPort }),
    ...(policy === undefined ? {} : { policy }),
    ...(networks === undefined ? {} : { networks }),
    labels: labels ?? givenLabels(config.labels),
    env: { ...config.env, ...env },
    timeoutMs: timeoutMs ?? config.timeoutMs,
    ephemeral: ephemeral ?? config.ephemeral,
    onTimeout: onTimeout ?? config.onTimeout,
    autoResume: autoResume ?? config.autoResume,
    volumes: volumes ?? config.volumes,
  };
}

/**
 * The memory and the disk of a snapshot, once it is known that they can be restored here.
 *
 * @throws NovaError `snapshot_damaged`, `snapshot_incompatible`
 */
export async function memoryOf(context: EngineContext, record: SnapshotRecord, signal?: AbortSignal): Promise<Memory> {
  const folder = context.layout.snapshot(record.id);
  const driver = requireDriver(context, record.hypervisor);
  return { ...(await openKeptMemory(context, driver, record, folder, signal)), diskIn: folder };
}
