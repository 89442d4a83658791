import { randomUUID } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { hostArchitecture } from '../architecture.ts';
import { fileMark } from '../artifacts/stamp.ts';
import { copyDisk } from '../artifacts/writable-disk.ts';
import type { EngineContext } from '../context.ts';
import type { GuestImages } from '../guest/guest-spec.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { KeptMemory } from '../memory/kept.ts';
import type { RootImage } from '../ports/image-source.ts';
import { tellingFullDisk } from '../vmm/full-disk.ts';
import { specOf, start, type Boot, type Booted } from './boot.ts';
import { diskOf, writableDiskFile } from './disk.ts';

/** The memory and the disk of a guest that ran, from which another goes on. */
export interface Memory extends KeptMemory {
  /** The folder with the disk of the same moment; null where the sandbox has it already. */
  readonly diskIn: string | null;
  /** Whether the disk may be moved out of that folder, because nobody needs it afterwards. */
  readonly takesDisk?: boolean;
  /** Where files and disk are still being written: how large the disk is, and when they are there. */
  readonly arriving?: Arriving | undefined;
}

export interface Arriving {
  /** The size of the disk, bytes. */
  readonly diskBytes: number;
  readonly written: Promise<unknown>;
}

/** How the guest is told that it goes on. */
export interface Continuation {
  /** The sandbox whose memory it is, where it is another's. */
  readonly parentId?: string | undefined;
  /** false: it goes on as who it was, with the same host name, machine id and boot id. */
  readonly asAnother: boolean;
}

/**
 * Brings a guest up that goes on from the memory of one that ran. It is handed out once it has taken on new random
 * numbers, the time, and, as another, an identity of its own.
 */
export async function bootFromMemory(
  context: EngineContext,
  boot: Boot,
  { files, root, bootedFrom, diskIn, takesDisk = false, arriving }: Memory,
  continuation: Continuation,
): Promise<Booted> {
  const { record, connecting } = boot;
  const disk = diskOf(context, record);
  return tellingFullDisk(context.layout.sandbox(record.id), async () => {
    if (diskIn !== null && !record.config.readOnlyRootfs) {
      await rm(disk, { force: true });
      if (arriving !== undefined) await makeEmpty(disk, arriving.diskBytes);
      else if (takesDisk) await rename(join(diskIn, writableDiskFile), disk);
      else await copyDisk(join(diskIn, writableDiskFile), disk, { signal: boot.options.signal });
    }
    const whole = async ({ written, diskBytes }: Arriving): Promise<void> => {
      await written;
      if (diskIn === null || record.config.readOnlyRootfs) return;
      await copyDisk(join(diskIn, writableDiskFile), disk, { signal: boot.options.signal });
      if ((await stat(disk)).size !== diskBytes)
        throw new NovaError('conflict', `The disk of ${continuation.parentId} was resized meanwhile.`);
    };
    const spec = specOf(context, boot, imagesWith(root, record.config.architecture), await connecting);
    const guest = await start(context, boot, {
      spec,
      restore: files,
      whole: arriving === undefined ? undefined : () => whole(arriving),
      wasInUse: true,
      identity: identityFor(continuation),
    });
    const from = { root: root.digest, rootMark: fileMark(root.path), network: bootedFrom.network };
    return { kind: 'snapshot', guest, from };
  });
}

/** Makes the disk with its size, so that the VMM can open it before it is written. */
async function makeEmpty(path: string, bytes: number): Promise<void> {
  await using disk = await open(path, 'wx', 0o600);
  await disk.truncate(bytes);
}

function identityFor({ parentId, asAnother }: Continuation): (own: GuestIdentity) => GuestIdentity {
  const continued = {
    generation: randomUUID(),
    // The host knows nothing of the connections of the guest that ran.
    cutConnections: true,
    ...(parentId === undefined ? {} : { parentId }),
  };
  return ({ hostname, machineId, bootId, hosts, ...rest }) => ({
    ...rest,
    ...(asAnother ? { hostname, machineId, bootId, hosts } : {}),
    continued,
  });
}

/** Kernel and initramfs are in the memory. */
function imagesWith(root: RootImage, architecture = hostArchitecture().name): GuestImages {
  return {
    kernel: { architecture, digest: '', path: '', release: '' },
    initramfs: { digest: '', path: '' },
    root,
  };
}
