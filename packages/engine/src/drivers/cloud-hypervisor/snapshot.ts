import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { MachineSpec, SnapshotFiles } from '../../ports/vmm-driver.ts';
import { vmConfigSchema, type VmConfig } from './api.ts';
import { cloneConfig } from './config.ts';

/** What Cloud Hypervisor writes into a snapshot's folder and looks for in one. */
export const snapshotFiles = { config: 'config.json', state: 'state.json', memory: 'memory-ranges' } as const;

/**
 * A folder for the VMM to restore a clone from: a config of its own, and links to the state and memory of the snapshot, which stays as it is.
 * Rejects with `snapshot_failed` when the snapshot is not one.
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
