import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { NovaError } from '@novasandbox/protocol';
import { mayChangeUsers } from '../../vmm/confine.ts';
import { sealSnapshotFiles } from '../../vmm/ownership.ts';
import type { QmpClient } from './qmp.ts';

export const memoryFile = 'ram';
export const stateFile = 'state';

/** RAM stays where it is (the file both sides map); only the device state goes through the migration stream. */
export const ignoreSharedMemory = { capabilities: [{ capability: 'x-ignore-shared', state: true }] } as const;

/**
 * Nobody may write to the memory that clones map. Before 8.2 QEMU insists on opening it for writing too, and is given it for reading all the same
 * (`preload` of vmm/confine.ts); only where clones run as who we are, who could write to it anyway, it has its way.
 */
export const sealSnapshot = (directory: string, readOnlyMemory: boolean): Promise<void> =>
  sealSnapshotFiles(directory, {
    [memoryFile]: readOnlyMemory || mayChangeUsers() ? 0o440 : 0o660,
    [stateFile]: 0o400,
  });

interface MigrationStatus {
  readonly status: string;
  readonly 'error-desc'?: string;
}

/**
 * Writes the device state to `stateFile`, by way of a socket: QEMU is shut in and cannot make files or start processes. The guest is not stopped before: the state then says
 * "running", and a clone runs on by itself as soon as it is loaded.
 */
export async function writeSnapshot(qmp: QmpClient, socket: string, file: string): Promise<void> {
  await qmp.execute('migrate-set-capabilities', {
    capabilities: [...ignoreSharedMemory.capabilities, { capability: 'events', state: true }],
  });
  const arrived = Promise.withResolvers<void>();
  const server = createServer((connection) => {
    server.close();
    pipeline(connection, createWriteStream(file, { mode: 0o644 })).then(arrived.resolve, arrived.reject);
  });
  try {
    await once(server.listen(socket), 'listening');
    // The folder is the VMM's alone; within it, it may connect whoever it runs as.
    await chmod(socket, 0o666);
    await qmp.execute('migrate', { uri: `unix:${socket}` });
    await migrationEnd(qmp);
    await arrived.promise;
  } finally {
    server.close();
    await rm(socket, { force: true });
  }
}

/** Waits for the migration's end; looks as well as listens, as the event may have come before anyone waited. */
export async function migrationEnd(qmp: QmpClient): Promise<void> {
  for (;;) {
    const event = qmp.event('MIGRATION');
    const { status, 'error-desc': description } = await qmp.execute<MigrationStatus>('query-migrate');
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new NovaError('snapshot_failed', `QEMU's migration ${status}: ${description ?? 'no reason given'}`);
    }
    await event;
  }
}
