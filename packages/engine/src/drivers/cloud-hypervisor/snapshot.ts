import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { MachineSpec, SnapshotFiles } from '../../ports/vmm-driver.ts';
import { vmConfigSchema, type VmConfig } from './api.ts';
import { cloneConfig } from './config.ts';

/** The files that Cloud Hypervisor writes into a snapshot's folder and reads from it. */
export const snapshotFiles = { config: 'config.json', state: 'state.json', memory: 'memory-ranges' } as const;

/**
 * Prepares a folder from which the VMM restores a clone: a config of its own, and links to the state and memory of the
 * snapshot, which stays unchanged. Rejects with `snapshot_failed` when the snapshot is not valid.
 */
export async function prepareRestore(
  directory: string,
  snapshot: SnapshotFiles,
  spec: MachineSpec,
  landlock: boolean,
): Promise<void> {
  const config = cloneConfig(await readConfig(snapshot), spec, landlock);
  await mkdir(directory, { mode: 0o711 });
  await writeFile(join(directory, snapshotFiles.config), JSON.stringify(config), { mode: 0o644 });
  for (const file of [snapshotFiles.state, snapshotFiles.memory])
    await symlink(join(snapshot.directory, file), join(directory, file));
}

async function readConfig({ directory }: SnapshotFiles): Promise<VmConfig> {
  try {
    return vmConfigSchema.parse(JSON.parse(await readFile(join(directory, snapshotFiles.config), 'utf8')));
  } catch (error) {
    throw new NovaError('snapshot_failed', `There is no snapshot of Cloud Hypervisor in ${directory}.`, {
      cause: error,
    });
  }
}
