import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeCgroup } from './cgroup.ts';
import { processesNaming } from './find-processes.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';
import { removeFolder } from './remove-folder.ts';
import { terminate } from './terminate.ts';

/** Where a probe has what it makes: all of it follows from its id. */
interface Places {
  readonly directory: string;
  readonly sockets: string;
  /** Says who makes the probe, from before the first of the others is there until the last has gone. */
  readonly maker: string;
}

const makerSuffix = '.maker';
const isProbe = (id: string): boolean => /^probe[0-9a-f]{16}$/.test(id);

const placesOf = (probeDirectory: string, id: string): Places => ({
  directory: join(probeDirectory, id),
  // Paths of sockets are short.
  sockets: join('/tmp', `nova-${id}`),
  maker: join(probeDirectory, `${id}${makerSuffix}`),
});

/** Makes the folders of a probe; clearProbe() removes them. */
export async function makeProbeFolders(probeDirectory: string, id: string): Promise<Omit<Places, 'maker'>> {
  const { directory, sockets, maker } = placesOf(probeDirectory, id);
  await mkdir(probeDirectory, { recursive: true });
  // Whole from the first moment that others can see it.
  await writeFile(`${maker}-new`, JSON.stringify(ownIdentity()), { mode: 0o600, flag: 'wx' });
  await rename(`${maker}-new`, maker);
  await mkdir(directory, { mode: 0o700 });
  // For a folder of ours in it, as others may make folders beside it.
  await mkdir(sockets, { mode: 0o700 });
  await chmod(sockets, 0o711);
  return { directory, sockets };
}

/** Removes whatever there is of a probe: its VMM, if that runs, cgroup and folders. */
export async function clearProbe(probeDirectory: string, id: string): Promise<void> {
  const { directory, sockets, maker } = placesOf(probeDirectory, id);
  for (const vmm of processesNaming(sockets)) await terminate(vmm, 0);
  await removeCgroup(id);
  await removeFolder(sockets);
  await removeFolder(directory);
  await rm(maker, { force: true });
}

/** Clears up after probes whose makers were killed. What cannot be removed now is left to the next. */
export async function reclaimProbes(probeDirectory: string): Promise<void> {
  const names = await readdir(probeDirectory).catch(() => []);
  const ids = names.filter((name) => name.endsWith(makerSuffix)).map((name) => name.slice(0, -makerSuffix.length));
  await Promise.allSettled(
    ids.filter(isProbe).map(async (id) => {
      const maker = await makerOf(placesOf(probeDirectory, id).maker);
      if (maker === null || !isAlive(maker)) await clearProbe(probeDirectory, id);
    }),
  );
}

/** Null where it cannot be read. */
async function makerOf(file: string): Promise<ProcessIdentity | null> {
  try {
    const { pid, startTime } = JSON.parse(await readFile(file, 'utf8')) as Partial<ProcessIdentity>;
    return Number.isInteger(pid) && typeof startTime === 'string' ? { pid: Number(pid), startTime } : null;
  } catch {
    return null;
  }
}
