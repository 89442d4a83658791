import { ftruncateSync, closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { Link } from '../ports/guest-links.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { unsupported } from '../guest/features.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import type { CallContext } from '../services.ts';
import { logBytes, moveLogs } from '../vmm/logs.ts';

/** A disk of a sandbox that is to grow. */
export interface GrowingDisk {
  /** Its image on the host. */
  readonly image: string;
  readonly bytes: number;
  /** Its place among the drives of the machine. */
  readonly index: number;
  /** Where the guest has mounted it; `/` for the writable layer. */
  readonly mountedAt: string;
}

/**
 * Makes the image of a disk larger. It takes no space before it is written to. A link is not followed, because a VMM
 * may write to the file.
 */
export function growImage(image: string, bytes: number): void {
  const file = openSync(image, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (fstatSync(file).size < bytes) ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes a disk of a running sandbox larger, with its file system. After an error its image may be larger already: the
 * next call, or the next start, continues from there.
 */
export async function growDisk(
  context: EngineContext,
  { record, machine, agent }: Link & { readonly record: SandboxRecord },
  { image, bytes, index, mountedAt }: GrowingDisk,
  { signal }: CallContext,
): Promise<void> {
  if (machine.growDrive === undefined) throw unsupported(context, record.hypervisor, 'growDrives');
  await allowFilesOf(machine.record, bytes + logBytes, signal);
  growImage(image, bytes);
  await machine.growDrive(index, bytes, { signal });
  await agent.grow(mountedAt, bytes, { signal, timeoutMs: growMs });
}

/** A large file system takes time to grow, above all in an emulated guest. */
const growMs = 120_000;

/** Lets a VMM write files of that size. Its logs stay as short as they were. */
async function allowFilesOf(
  { pid, directory }: { readonly pid: number; readonly directory: string },
  bytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (largestFileOf(pid) >= bytes) return;
  try {
    await runCommand('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:${bytes}`], { signal });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new NovaError('feature_unsupported', `The limit on files of the VMM cannot be raised: ${error.tail}`, {
      hint: 'Stop the sandbox first: its disk grows when it starts. While it runs a disk can be doubled.',
      cause: error,
    });
  }
  await moveLogs(directory, bytes);
}

/** The largest file that a process may write. */
function largestFileOf(pid: number): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  const found = /^Max file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
  return found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found);
}
