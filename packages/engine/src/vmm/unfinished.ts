import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { removeCgroup } from './cgroup.ts';
import { processesNaming } from './find-processes.ts';
import { isAlive, ownIdentity } from './process-identity.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';

/** A machine that lives for one piece of work (a golden snapshot, a root image, a probe) and that no store knows. */
export interface WorkingMachine {
  readonly id: string;
  readonly socketDirectory: string;
  /** Other folders on this host that belong to it. */
  readonly folders: readonly string[];
}

const noteSchema = z.object({
  id: z.string().min(1),
  socketDirectory: z.string().min(1),
  folders: z.array(z.string().min(1)),
  /** The process that makes it. A VMM outlives its maker; once the maker was killed, the whole machine is debris. */
  maker: z.object({ pid: z.int(), startTime: z.string() }),
});
type Note = z.infer<typeof noteSchema>;

const suffix = '.json';

/**
 * Records in a folder what is about to be made, before any of it exists. Must be disposed when nothing of it is left.
 */
export function noteUnfinished(notes: string, { id, socketDirectory, folders }: WorkingMachine): Disposable {
  const note: Note = { id, socketDirectory, folders: [...folders], maker: ownIdentity() };
  const file = join(notes, `${id}${suffix}`);
  mkdirSync(notes, { recursive: true, mode: 0o700 });
  // The note appears atomically.
  writeFileSync(`${file}.new`, JSON.stringify(note), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

/**
 * Clears up after makers that were killed: their VMMs, cgroups and folders. Returns the ids of the machines. Several
 * processes may do so at once.
 */
export async function reclaimUnfinished(notes: string): Promise<string[]> {
  const reclaimed: string[] = [];
  for (const name of namesIn(notes)) {
    const file = join(notes, name);
    const note = name.endsWith(suffix) ? readNote(file) : null;
    if (note === null || isAlive(note.maker)) continue;
    await clearUp(notes, note);
    reclaimed.push(note.id);
  }
  return reclaimed;
}

/** Removes everything of a machine: its VMM, if that runs, its cgroup and its folders, and finally the note. */
export async function clearUp(notes: string, { id, socketDirectory, folders }: WorkingMachine): Promise<void> {
  for (const vmm of processesNaming(socketDirectory)) await terminate(vmm, 0);
  await removeCgroup(id);
  for (const folder of [socketDirectory, ...folders]) await removeFolder(folder);
  rmSync(join(notes, `${id}${suffix}`), { force: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Null where somebody else has just cleared up, or where the note is damaged, which does not say what it was about. */
function readNote(file: string): Note | null {
  try {
    return noteSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}
