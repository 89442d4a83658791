import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineContext } from '../context.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { diskOf } from './disk.ts';
import { removeFolder } from '../vmm/remove-folder.ts';
import { takeTurn } from './turn.ts';

type Where = Pick<EngineContext, 'layout'>;

/** The folder with the memory of a hibernated sandbox. */
export const keptMemory = ({ layout }: Where, id: string): string => join(layout.sandbox(id), 'memory');

/** The folder in which its memory is being written. */
export const halfKeptMemory = ({ layout }: Where, id: string): string => join(layout.sandbox(id), 'memory.new');

/** Whether the sandbox is hibernated, or is being woken. */
export const isAsleep = ({ state, sleep }: Pick<SandboxRecord, 'state' | 'sleep'>): boolean =>
  state === 'hibernated' || (state === 'creating' && sleep !== null);

/** Removes the memory of a sandbox that goes on, as far as a process that was killed has left it. */
export async function removeKeptMemory(context: Where, id: string): Promise<void> {
  await removeFolder(halfKeptMemory(context, id));
  await removeFolder(keptMemory(context, id));
}

/**
 * When the sandbox's disk, and the images of this host that it has, were last written to, ns since 1970; null: none.
 */
export async function disksWrittenNs(context: Where, record: SandboxRecord): Promise<string | null> {
  const { readOnlyRootfs, extraDrives } = record.config;
  const paths = [...(readOnlyRootfs ? [] : [diskOf(context, record)]), ...extraDrives.map(({ path }) => path)];
  const times = await Promise.all(paths.map(writtenNs));
  return times.length === 0 ? null : times.join(' ');
}

async function writtenNs(path: string): Promise<string> {
  try {
    return String((await stat(path, { bigint: true })).mtimeNs);
  } catch {
    return 'missing';
  }
}

/**
 * Removes the memory of a hibernated sandbox, which then is a stopped one; null where it is hibernated no more. Another
 * that wakes it, or keeps new memory of it, has the turn meanwhile.
 */
export async function forgetMemory(context: EngineContext, id: string): Promise<SandboxRecord | null> {
  await using _turn = await takeTurn(context, id, undefined);
  const stopped = context.store.changeSandbox(id, ['hibernated'], { state: 'stopped', sleep: null });
  if (stopped !== null) await removeFolder(keptMemory(context, id));
  return stopped;
}
