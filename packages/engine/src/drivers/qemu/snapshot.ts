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
 * Makes the files of a snapshot read-only, because nobody may write to the memory that clones map. QEMU before 8.2
 * insists on opening it for writing too, and gets it open for reading all the same (`preload` of vmm/confine.ts). The
 * file stays writable only where such clones run as our own user, which could write to it anyway.
 */
export const sealSnapshot = (directory: string, memory: string, readOnlyMemory: boolean): void =>
  sealSnapshotFiles(directory, {
    [memory]: readOnlyMemory || memory !== memoryFile || mayChangeUsers() ? 0o440 : 0o660,
    [stateFile]: 0o400,
  });

/**
 * Limit on the device state, which takes some 100 kB. A VMM that its guest has taken over might write until the disk is
 * full.
 */
export const maxStateBytes = 64 << 20;

interface MigrationStatus {
  readonly status: string;
  readonly 'error-desc'?: string;
}

/** An event may be missed, so the state is read again after this time, ms. */
const lookEveryMs = 1000;

/**
 * Waits for the end of the migration. It reads the state as well as listening to events, because the event may have
 * come before.
 */
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
