import { statfs } from 'node:fs/promises';
import type { EngineContext } from '../context.ts';
import { tellInBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';
import type { Machine } from '../ports/vmm-driver.ts';
import { attachMachine } from './attach-machine.ts';
import { waitsForSpace } from './find.ts';
import { wallClockNs } from '../guest/identity.ts';

/** With less free space than this a guest that goes on would soon wait again. */
const roomBytes = 8 << 20;
/** Number of rounds after which all guests are checked, because the disk may have been full between two checks. */
const lookAnyway = 12;

/**
 * Handles guests that wait for disk space: records that they wait, and lets them go on when there is space. The result
 * is to be called regularly. A process that `looksAfter` a state folder also finds guests that began to wait before it
 * was started, or between two checks.
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
      context.store.changeSandbox(record.id, ['running'], { reason }, { machine: record.machine });
  } finally {
    machine?.release();
  }
}

async function goOn(context: EngineContext, record: SandboxRecord, machine: Machine): Promise<void> {
  await machine.resume?.({ signal: AbortSignal.timeout(lookMs) });
  const { agent } = await context.links.get(record, AbortSignal.timeout(lookMs));
  await agent.setClock(wallClockNs());
}
