import { basename } from 'node:path';
import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { flush, publishFrom } from '../artifacts/publish.ts';
import { makeFolder } from '../artifacts/make-folder.ts';
import type { EngineContext } from '../context.ts';
import { unsupported } from '../guest/features.ts';
import { originOf } from '../memory/kept.ts';
import { writeManifest } from '../memory/manifest.ts';
import { rootInUse } from '../memory/root.ts';
import type { SandboxRecord, Sleep } from '../ports/store.ts';
import type { VmmDriver } from '../ports/vmm-driver.ts';
import type { CallContext } from '../services.ts';
import { openToVmms } from '../vmm/image-group.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { requireDriver } from './attach-machine.ts';
import { noteNames } from './change-policy.ts';
import { diskOf } from './disk.ts';
import { beginStopping, endMachine, type Stopping } from './end.ts';
import { findSandbox } from './find.ts';
import { toInfo } from './info.ts';
import { captureInstant } from './instant.ts';
import { disksWrittenNs, halfKeptMemory, keptMemory, removeKeptMemory } from './kept-memory.ts';
import { endPolitely } from './stop.ts';
import { takeTurn } from './turn.ts';

export interface HowToHibernate {
  /** false: the disk alone is kept; the guest powers off, and boots when it is resumed. Default: true. */
  readonly memory?: boolean;
  /**
   * Whether it is still to be hibernated once its memory is written; otherwise it goes on, and `cancelled` is thrown.
   */
  readonly onlyIf?: (now: SandboxRecord) => boolean;
  /** Why it is hibernated, where nobody has asked for it. */
  readonly reason?: string;
}

/**
 * Ends the machine of a sandbox so that it goes on where it was when it is resumed: its memory is in its folder until
 * then. An ephemeral sandbox stays too. Idempotent. After an error or an abort the guest goes on.
 */
export async function hibernateSandbox(
  context: EngineContext,
  ref: string,
  how: HowToHibernate = {},
  { signal }: CallContext = {},
): Promise<SandboxInfo> {
  const found = await findSandbox(context, ref);
  // Another call may be hibernating it.
  await using _turn = how.memory === false ? null : await takeTurn(context, found.id, signal);
  const record = await findSandbox(context, found.id);
  if (record.state === 'hibernated') return toInfo(record);
  if (record.state !== 'running' && record.state !== 'paused')
    throw new NovaError('invalid_state', `The sandbox ${record.name ?? record.id} is ${record.state}, not running.`, {
      hint: 'Only a sandbox that runs or is paused can be hibernated.',
    });
  const driver = requireDriver(context, record.hypervisor);
  if (!driver.features.virtualMachine) throw unsupported(context, record.hypervisor, 'virtualMachine');
  if (how.memory === false) {
    const stopping = begin(context, record, how, { memory: false, memoryFrom: null, diskWrittenNs: null });
    return endedAs(record, await endPolitely(context, record, stopping));
  }
  if (!driver.features.liveSnapshot) throw unsupported(context, record.hypervisor, 'liveSnapshot');
  return endedAs(record, await keepMemory(context, record, driver, how, signal));
}

/** Records that the sandbox is being hibernated. */
function begin(
  context: EngineContext,
  record: SandboxRecord,
  { onlyIf, reason }: HowToHibernate,
  sleep: Sleep,
  bootedFrom = record.bootedFrom,
): Stopping {
  const { id } = record;
  const current = context.store.findSandbox(id);
  if (current !== null && onlyIf?.(current) === false)
    throw new NovaError('cancelled', `The sandbox ${id} is not to be hibernated any more.`);
  const stopping = beginStopping(context, record, {
    reason: reason ?? null,
    goesWithMaker: false,
    sleep,
    bootedFrom,
  });
  if (!stopping.begun) throw new NovaError('sandbox_not_running', `The sandbox ${id} was stopped meanwhile.`);
  return stopping;
}

/** In the sandbox's turn, writes the memory to its folder, and ends the machine once it is there as a whole. */
async function keepMemory(
  context: EngineContext,
  record: SandboxRecord,
  driver: VmmDriver,
  how: HowToHibernate,
  signal: AbortSignal | undefined,
): Promise<SandboxRecord | null> {
  const bootedFrom = rootInUse(context, record);
  const half = halfKeptMemory(context, record.id);
  await removeFolder(half);
  await makeFolder(half);
  openToVmms(half);
  let ended: SandboxRecord | null = null;
  let begun = false;
  try {
    await captureInstant(context, record, half, {
      memory: true,
      disk: false,
      inTurn: true,
      signal,
      finish: async (files) => {
        const origin = await originOf(driver, record, files, signal);
        await writeManifest(half, { ...record, bootedFrom }, origin, signal);
        if (!record.config.readOnlyRootfs) await flush(diskOf(context, record));
        const kept = keptMemory(context, record.id);
        await removeFolder(kept);
        await publishFrom(half, kept);
        const memoryFrom = files.memoryFrom === undefined ? null : basename(files.memoryFrom);
        const sleep = { memory: true, memoryFrom, diskWrittenNs: await disksWrittenNs(context, record) };
        await noteNames(context, record.id);
        const stopping = begin(context, record, how, sleep, bootedFrom);
        begun = true;
        ended = await endMachine(context, stopping.record, (machine) => machine.stop());
      },
    });
  } catch (error) {
    // From there on the next process that looks at it finishes the work.
    if (!begun) await removeKeptMemory(context, record.id);
    throw error;
  }
  return ended;
}

function endedAs(record: SandboxRecord, ended: SandboxRecord | null): SandboxInfo {
  if (ended !== null) return toInfo(ended);
  throw new NovaError('sandbox_not_found', `The sandbox ${record.name ?? record.id} was removed meanwhile.`);
}
