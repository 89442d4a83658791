import { statfs } from 'node:fs/promises';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { attachMachine, waitsForSpace } from './find.ts';
import { wallClockNs } from './identity.ts';

/** With less than that a guest that goes on would soon wait again. */
const roomBytes = 8 << 20;
/** Rounds after which all are looked at, though the disk was not seen to be full: that may pass between two looks. */
const lookAnyway = 12;

/**
 * Sees to guests that wait for space: notes that they do, and lets them go on when there is some. To be called every so often. Who `looksAfter` a state folder sees to
 * what happened before, or between two looks, as well.
 */
export function createSpaceRounds(
  context: EngineContext,
  { looksAfter }: { readonly looksAfter: boolean },
): () => Promise<void> {
  let wasFull = looksAfter;
  let rounds = 0;
  return async () => {
    const isFull = await hasNoRoom(context.layout.sandboxes);
    rounds = (rounds + 1) % lookAnyway;
    const look = isFull || wasFull || (looksAfter && rounds === 0);
    wasFull = isFull;
    if (!look) return;
    const running = context.store.listSandboxes(['running']);
    await Promise.all(
      running.map((record) =>
        consider(context, record, isFull).catch((error: unknown) =>
          tellInBackground(`looking whether ${record.id} waits for disk space`, error),
        ),
      ),
    );
  };
}

async function hasNoRoom(folder: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize < roomBytes;
}

const lookMs = 2000;

async function consider(context: EngineContext, record: SandboxRecord, isFull: boolean): Promise<void> {
  const machine = await attachMachine(context, record);
  try {
    const waits = await machine?.standsStill?.({ signal: AbortSignal.timeout(lookMs) });
    if (machine === null || waits === undefined) return;
    if (waits === 'disk-full' && !isFull) await goOn(context, record, machine);
    const reason = waits === 'disk-full' && isFull ? waitsForSpace : null;
    if (reason !== null || record.reason === waitsForSpace)
      context.store.changeSandbox(record.id, ['running'], { reason }, record.machine);
  } finally {
    machine?.release();
  }
}

async function goOn(context: EngineContext, record: SandboxRecord, machine: Machine): Promise<void> {
  await machine.resume?.({ signal: AbortSignal.timeout(lookMs) });
  const { agent } = await context.links.get(record, AbortSignal.timeout(lookMs));
  await agent.setClock(wallClockNs());
}
