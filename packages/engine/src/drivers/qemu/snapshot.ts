import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { NovaError } from '@novasandbox/protocol';
import { mayChangeUsers } from '../../vmm/confine.ts';
import { sealSnapshotFiles } from '../../vmm/ownership.ts';
import { patience, unanswered } from '../../vmm/patience.ts';
import type { QmpClient } from './qmp.ts';

export const memoryFile = 'ram';
export const stateFile = 'state';

/** RAM stays where it is (the file both sides map); only the device state goes through the migration stream. */
export const ignoreSharedMemory = { capabilities: [{ capability: 'x-ignore-shared', state: true }] } as const;

/**
 * Nobody may write to the memory that clones map. Before 8.2 QEMU insists on opening it for writing too, and is given it for reading all the same
 * (`preload` of vmm/confine.ts); only where clones run as who we are, who could write to it anyway, it has its way.
 */
export const sealSnapshot = (directory: string, readOnlyMemory: boolean): void =>
  sealSnapshotFiles(directory, {
    [memoryFile]: readOnlyMemory || mayChangeUsers() ? 0o440 : 0o660,
    [stateFile]: 0o400,
  });

/** Device state takes some 100 kB; a VMM that its guest has taken over may write until the disk is full. */
const maxStateBytes = 64 << 20;

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
  // Heard of where it is awaited.
  arrived.promise.catch(() => undefined);
  const server = createServer((connection) => {
    server.close();
    pipeline(connection, bounded, createWriteStream(file, { flags: 'wx', mode: 0o600 })).then(
      arrived.resolve,
      arrived.reject,
    );
  });
  try {
    await once(server.listen(socket), 'listening');
    // The folder lets through the VMM alone, which may connect whoever it runs as.
    await chmod(socket, 0o666);
    await qmp.execute('migrate', { uri: `unix:${socket}` });
    await Promise.all([migrationEnd(qmp), arrived.promise]);
  } finally {
    server.close();
    await rm(socket, { force: true });
  }
}

async function* bounded(state: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const part of state) {
    bytes += part.length;
    if (bytes > maxStateBytes) throw new NovaError('snapshot_failed', "QEMU's device state has no end.");
    yield part;
  }
}

/** An event that was missed is made up for by a look; how long one is waited for, ms. */
const lookEveryMs = 1000;

/** Waits for the migration's end; looks as well as listens, as the event may have come before anyone waited. */
export async function migrationEnd(qmp: QmpClient): Promise<void> {
  const end = performance.now() + patience.memoryMs;
  while (performance.now() < end) {
    const event = qmp.event('MIGRATION');
    const { status, 'error-desc': description } = await qmp.execute<MigrationStatus>('query-migrate');
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled') {
      throw new NovaError('snapshot_failed', `QEMU's migration ${status}: ${description ?? 'no reason given'}`);
    }
    const waited = new AbortController();
    const look = delay(lookEveryMs, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([event, look]).finally(() => waited.abort());
  }
  throw unanswered('QEMU', 'that its migration has ended', patience.memoryMs);
}
