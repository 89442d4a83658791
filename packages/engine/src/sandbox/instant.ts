import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { copyDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import { foldersOfMemory } from '../golden/in-use.ts';
import { unsupported } from '../guest/features.ts';
import { wallClockNs } from '../guest/identity.ts';
import { inBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine, SnapshotFiles } from '../ports/vmm-driver.ts';
import { ownIdentity } from '../vmm/process-identity.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';
import { attachMachine, requireDriver } from './attach-machine.ts';
import { writableDiskFile } from './disk.ts';
import { requireSpace } from './find.ts';
import { takeTurn } from './turn.ts';

/** One moment of a sandbox, in the files of a folder. */
export interface Instant {
  /** Memory and devices; null for the disk alone. */
  readonly memory: SnapshotFiles | null;
  /** How long the guest stood still, ms. */
  readonly stoppedMs: number;
}

export interface InstantOptions {
  /** Whether memory and devices are written too, where the sandbox has a machine. */
  readonly memory: boolean;
  /** Whether the disk is written; default: true. */
  readonly disk?: boolean;
  /**
   * Called before the guest is stopped, where a machine may already be started from the files that are about to be
   * written.
   */
  readonly begun?: (files: SnapshotFiles) => void;
  /** Runs while the guest still stands still. Where it resolves, the guest does not go on. */
  readonly finish?: (memory: SnapshotFiles) => Promise<void>;
  /** Whether it is the caller's turn already. */
  readonly inTurn?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Time limit for a guest to write its caches, ms. */
const quiesceMs = 60_000;

/**
 * Writes memory, devices and disk of a sandbox into `directory`, an empty folder of ours, as they all are at one moment
 * at which its guest stands still. The guest goes on afterwards, or stays paused if it was. Without memory, the guest
 * first writes its caches to its disk. Several calls for one sandbox take turns. After an error or an abort the guest
 * goes on.
 *
 * @throws NovaError `feature_unsupported` where the hypervisor cannot write the memory of a running guest,
 * `snapshot_failed`, `host_resource_exhausted` where the disk is full
 */
export async function captureInstant(
  context: EngineContext,
  record: SandboxRecord,
  directory: string,
  { memory, disk = true, begun, finish, inTurn = false, signal }: InstantOptions,
): Promise<Instant> {
  const { id, config, state } = record;
  const writeDisk = async (): Promise<void> => {
    if (config.readOnlyRootfs || !disk) return;
    await copyDisk(join(context.layout.sandbox(id), writableDiskFile), join(directory, writableDiskFile));
  };
  await using _turn = inTurn ? null : await takeTurn(context, id, signal);
  return await tellingFullDisk(directory, async () => {
    if (state !== 'running' && state !== 'paused') {
      await writeDisk();
      return { memory: null, stoppedMs: 0 };
    }
    const machine = await machineOf(context, record, memory);
    if (!memory && state === 'running') {
      const { agent } = await context.links.get(record, signal);
      await agent.quiesce({ dropCaches: false, trim: false }, { signal, timeoutMs: quiesceMs });
    }
    const memoryFolders = memory ? await foldersOfMemory(context, machine.record.memoryFrom) : [];
    await using prepared = memory ? ((await machine.prepareSnapshot?.(directory, { memoryFolders })) ?? null) : null;
    const writeMemory = async (): Promise<SnapshotFiles | undefined> =>
      memory ? (prepared?.write() ?? machine.snapshot?.(directory, { memoryFolders })) : undefined;
    const write = async (): Promise<SnapshotFiles | null> => {
      // Both are awaited whatever becomes of the other, because the guest goes on after this.
      const [files, copied] = await Promise.allSettled([writeMemory(), writeDisk()]);
      if (files.status === 'rejected') throw files.reason;
      if (copied.status === 'rejected') throw copied.reason;
      if (files.value !== undefined) await finish?.(files.value);
      return files.value ?? null;
    };
    throwIfAborted(signal, 'before the guest was stopped for a moment');
    const files = prepared?.files ?? null;
    if (files !== null) begun?.(files);
    return await holdingStill(context, record, machine, finish === undefined, write);
  });
}

/**
 * Stops the guest while `write` runs, unless it is paused already, and lets it go on afterwards; without `goesOn` only
 * where `write` fails.
 */
async function holdingStill(
  context: EngineContext,
  record: SandboxRecord,
  machine: Machine,
  goesOn: boolean,
  write: () => Promise<SnapshotFiles | null>,
): Promise<Instant> {
  const { store, links } = context;
  const { id, state } = record;
  const isHeld = store.changeSandbox(id, [state], { holder: ownIdentity() }, { machine: record.machine });
  if (isHeld === null) throw new NovaError('sandbox_not_running', `The sandbox ${id} ended meanwhile.`);
  const letGo = (): void => {
    store.changeSandbox(id, [state], { holder: null }, { machine: record.machine });
  };
  let stays = false;
  const startedAt = performance.now();
  try {
    if (state === 'running') await machine.pause?.({});
    const memory = await write();
    stays = !goesOn;
    const stoppedMs = state === 'running' ? Math.round((performance.now() - startedAt) * 100) / 100 : 0;
    return { memory, stoppedMs };
  } finally {
    if (!stays && state === 'running') {
      await machine.resume?.({});
      letGo();
      // Its clock stood still too.
      inBackground(`setting the clock of ${id}`, async () => {
        const { agent } = await links.get(record);
        await agent.setClock(wallClockNs());
      });
    } else if (!stays) letGo();
  }
}

async function machineOf(context: EngineContext, record: SandboxRecord, memory: boolean): Promise<Machine> {
  requireSpace(record);
  const { features } = requireDriver(context, record.hypervisor);
  const machine = await attachMachine(context, record);
  if (machine === null) throw new NovaError('sandbox_not_running', `The sandbox ${record.id} has ended.`);
  if (machine.pause === undefined) throw unsupported(context, record.hypervisor, 'pause');
  if (memory && (!features.liveSnapshot || machine.snapshot === undefined))
    throw unsupported(context, record.hypervisor, 'liveSnapshot');
  return machine;
}
