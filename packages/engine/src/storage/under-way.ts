import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withFreeLock } from '../artifacts/lock.ts';
import type { EngineContext } from '../context.ts';
import { isAlive } from '../vmm/process-identity.ts';
import { isSameProcess } from '../ports/process-identity.ts';
import type { SandboxRecord } from '../ports/store.ts';

const lookEveryMs = 100;

/**
 * Waits until everything has ended that is being made at this moment: sandboxes, snapshots, images. What was not needed
 * when this was called, and is not needed now, was looked up by nobody who has yet to open it. What begins meanwhile
 * finds only what is needed. Returns false where something takes longer than `limitMs`.
 */
export async function untilMadeNowHasEnded(
  context: EngineContext,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const end = performance.now() + limitMs;
  let sandboxes = context.store.listSandboxes(['creating']).filter(isBeingMade);
  let locks = await locksOf(context);
  for (;;) {
    sandboxes = sandboxes.filter((each) => isStillMade(context, each));
    locks = await heldOf(locks);
    if (sandboxes.length === 0 && locks.length === 0) return true;
    if (performance.now() > end) return false;
    await delay(lookEveryMs, undefined, { signal });
  }
}

const isBeingMade = ({ maker }: SandboxRecord): boolean => maker !== null && isAlive(maker);

function isStillMade({ store }: EngineContext, { id, maker }: SandboxRecord): boolean {
  const current = store.findSandbox(id);
  return (
    current?.id === id && current.state === 'creating' && isSameProcess(current.maker, maker) && isBeingMade(current)
  );
}

/** The locks of what may be made of images and golden snapshots. */
async function locksOf({ layout }: EngineContext): Promise<string[]> {
  const locksIn = async (folder: string, pattern: RegExp): Promise<string[]> =>
    (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name)).map((name) => join(folder, name));
  const images = [layout.rootfs, layout.kernel, layout.initramfs, layout.agent, layout.confiner, layout.listener];
  return [
    ...(await locksIn(layout.workDirectory, /^golden-.*\.lock$/)),
    ...(await locksIn(layout.instants.workDirectory, /\.lock$/)),
    ...images.map((at) => at('lock')),
    layout.oci.lock,
  ];
}

async function heldOf(locks: readonly string[]): Promise<string[]> {
  const held: string[] = [];
  for (const lock of locks) if (!(await withFreeLock(lock, () => Promise.resolve()))) held.push(lock);
  return held;
}
