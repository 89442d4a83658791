import { statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { NovaError, type ProgressSink, type Resize } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';

/**
 * Virtual CPUs of one guest for each thread of the host. Guests share threads, but a guest with many more CPUs than the
 * host has threads is slower.
 */
export const vcpusPerThread = 4;

const mebibyte = 1024 * 1024;

/** The resources of the host that bound one guest. */
export interface HostSizes {
  readonly memoryMb: number;
  readonly threads: number;
  /** The file system of the state folder, where disks lie. */
  readonly disk: { readonly totalMb: number; readonly freeMb: number };
}

/** Sizes that a guest is to have. A disk is named only where the caller asked for its size. */
export type WantedSizes = Resize;

async function hostSizes(folder: string): Promise<HostSizes> {
  const { blocks, bavail, bsize } = await statfs(folder);
  const inMb = (count: number): number => Math.floor((count * bsize) / mebibyte);
  return {
    memoryMb: Math.floor(totalmem() / mebibyte),
    threads: availableParallelism(),
    disk: { totalMb: inMb(blocks), freeMb: inMb(bavail) },
  };
}

/** Returns why a guest of these sizes cannot run on this host; null where it can. */
export function refuseBeyondHost({ memoryMb, vcpus, diskSizeMb }: WantedSizes, host: HostSizes): NovaError | null {
  const mostVcpus = host.threads * vcpusPerThread;
  if (memoryMb !== undefined && memoryMb > host.memoryMb)
    return tooMuch('memoryMb', `${memoryMb} MiB is more than this host has (${host.memoryMb} MiB).`, {
      most: host.memoryMb,
      remedy: `Ask for ${host.memoryMb} MiB at most; what other programs use of it is not there for a guest.`,
    });
  if (vcpus !== undefined && vcpus > mostVcpus)
    return tooMuch(
      'vcpus',
      `${vcpus} is more than one guest may have on this host (${mostVcpus}: ${vcpusPerThread} for each of its ` +
        `${host.threads} threads).`,
      { most: mostVcpus, remedy: `Ask for ${mostVcpus} at most; more than ${host.threads} make a guest no faster.` },
    );
  const { totalMb } = host.disk;
  if (diskSizeMb !== undefined && diskSizeMb > totalMb)
    return tooMuch(
      'diskSizeMb',
      `${diskSizeMb} MiB is more than the disk of the state folder holds (${totalMb} MiB).`,
      {
        most: totalMb,
        remedy: `Ask for ${totalMb} MiB at most, or have NOVA_HOME name a folder on a larger disk.`,
      },
    );
  return null;
}

/**
 * Returns the notice about a disk that there is no space for now; null where there is space. A disk takes space only as
 * it is written to.
 */
export function tightDisk({ diskSizeMb = 0 }: WantedSizes, { disk }: HostSizes): string | null {
  if (diskSizeMb <= disk.freeMb) return null;
  return (
    `The disk may grow to ${diskSizeMb} MiB, and ${disk.freeMb} MiB are free where the state folder lies: ` +
    'a guest that writes more waits until there is space'
  );
}

/** @throws NovaError `invalid_argument` for sizes that this host does not have */
export async function requireRoom(
  { layout }: Pick<EngineContext, 'layout'>,
  wanted: WantedSizes,
  progress?: ProgressSink,
): Promise<void> {
  const host = await hostSizes(layout.sandboxes);
  const refusal = refuseBeyondHost(wanted, host);
  if (refusal !== null) throw refusal;
  const label = tightDisk(wanted, host);
  if (label !== null) progress?.({ step: 'disk', label, state: 'note', elapsedMs: 0 });
}

function tooMuch(
  field: keyof WantedSizes,
  text: string,
  { most, remedy }: { readonly most: number; readonly remedy: string },
): NovaError {
  const details = { issues: [{ field, problem: text }], most };
  return new NovaError('invalid_argument', `${field}: ${text}`, { hint: remedy, details });
}
