import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clearUp, noteUnfinished, reclaimUnfinished, type WorkingMachine } from './unfinished.ts';

/** The folder of the notes about probes in progress. */
const notesIn = (probeDirectory: string): string => join(probeDirectory, 'making');

interface Places {
  readonly directory: string;
  readonly sockets: string;
}

/** The places of a probe's files, which all follow from its id. */
const placesOf = (probeDirectory: string, id: string): Places => ({
  directory: join(probeDirectory, id),
  // Paths of sockets are limited in length, so they are here.
  sockets: join('/tmp', `nova-${id}`),
});

const machineOf = (id: string, { directory, sockets }: Places): WorkingMachine => ({
  id,
  socketDirectory: sockets,
  folders: [directory],
});

/** Makes the folders of a probe; clearProbe() removes them. */
export async function makeProbeFolders(probeDirectory: string, id: string): Promise<Places> {
  const places = placesOf(probeDirectory, id);
  noteUnfinished(notesIn(probeDirectory), machineOf(id, places));
  await mkdir(places.directory, { mode: 0o700 });
  // It holds a folder of ours, and others may make folders beside it.
  await mkdir(places.sockets, { mode: 0o700 });
  await chmod(places.sockets, 0o711);
  return places;
}

/** Removes everything of a probe: its VMM, if that runs, its cgroup and its folders. */
export const clearProbe = (probeDirectory: string, id: string): Promise<void> =>
  clearUp(notesIn(probeDirectory), machineOf(id, placesOf(probeDirectory, id)));

/** Clears up after probes whose makers were killed. */
export async function reclaimProbes(probeDirectory: string): Promise<void> {
  await reclaimUnfinished(notesIn(probeDirectory));
}
