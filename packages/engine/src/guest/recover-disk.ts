import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import { withLock } from '../artifacts/lock.ts';
import type { EngineContext } from '../context.ts';
import type { BuildContext } from '../services.ts';
import { waitForEnd } from '../vmm/terminate.ts';
import { bringUp } from './bring-up.ts';
import { guestImages } from './guest-spec.ts';
import { uniqueIdentity } from './identity.ts';
import type { SandboxPlan } from './plan.ts';
import { makeWorkPlace } from './work-place.ts';

const superblockAt = 1024;
/** Offsets in the superblock of an ext4, and its flag for a journal that was not written back. */
const magicAt = 0x38;
const incompatibleAt = 0x60;
const magic = 0xef53;
const needsRecovery = 0x4;

/**
 * Whether an ext4 has a journal that the next guest to write to it has to write back first. Whoever can only read it
 * cannot mount it. The host looks at these few bytes itself, and at nothing else that the guest has written.
 */
async function hasOpenJournal(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, superblockAt);
  if (bytesRead < 256 || buffer.readUInt16LE(magicAt) !== magic) return false;
  return (buffer.readUInt32LE(incompatibleAt) & needsRecovery) !== 0;
}

const memoryMb = 128;
const powerOffMs = 60_000;

/**
 * Has a guest write back the journal of an ext4 that was cut off, where it has one. The host itself never mounts what a
 * guest has written. One process does this while others wait.
 *
 * @param path a disk in a folder of its own
 */
export async function recoverDisk(
  context: EngineContext,
  { plan, path }: { readonly plan: SandboxPlan; readonly path: string },
  options: BuildContext,
): Promise<void> {
  if (!(await hasOpenJournal(path))) return;
  const folder = dirname(path);
  await withLock(join(folder, 'recovery.lock'), { signal: options.signal }, async () => {
    if (!(await hasOpenJournal(path))) return;
    const images = await guestImages(context, plan.template, options);
    await using undo = new AsyncDisposableStack();
    const place = undo.use(await makeWorkPlace(context.layout, 'heal', join(folder, 'recovery')));
    const { agent, machine } = undo.use(
      await bringUp(context, {
        driver: plan.driver,
        spec: {
          ...place,
          sequence: 0,
          architecture: plan.template.architecture,
          memoryMb: Math.max(memoryMb, plan.template.template.min_memory_mb),
          vcpus: 1,
          kernel: images.kernel.path,
          initramfs: images.initramfs.path,
          kernelArguments: ['nova.root=vda', 'nova.write=tmpfs', 'nova.drive=vdb:/mnt:ext4:rw'],
          drives: [
            { path: images.root.path, readOnly: true, foreign: false },
            { path, readOnly: false, foreign: false },
          ],
          network: { mode: 'none' },
          channels: 1,
        },
        bootTimeoutMs: 120_000,
        identity: () => uniqueIdentity('recovery'),
        signal: options.signal,
      }),
    );
    await agent.shutdown(1000, { timeoutMs: 10_000 });
    if (!(await waitForEnd(machine.record, powerOffMs)))
      throw new NovaError('storage_failed', `The guest that was to write back the journal of ${path} did not end.`);
  });
}
