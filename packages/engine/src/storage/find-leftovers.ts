import { readdir } from 'node:fs/promises';
import { uptime } from 'node:os';
import { basename, join } from 'node:path';
import { withFreeLock } from '../artifacts/lock.ts';
import { describe, describeEach, type About, type Found, type Look } from './found.ts';

const lockSuffix = '.lock';
const dayMs = 86_400_000;
/** A copy of a database from before an upgrade that went well is not needed any more after so long, ms. */
const copyKeptMs = 30 * dayMs;

/** Half-made things and locks. Those that somebody works on have a lock that is held. */
export async function findHalfMade(look: Look): Promise<Found[]> {
  const { layout } = look.context;
  const found: Found[] = [];
  for (const folder of [layout.workDirectory, layout.instants.workDirectory]) {
    const names = new Set(await readdir(folder).catch(() => []));
    const free = new Set<string>();
    for (const name of [...names].filter((each) => each.endsWith(lockSuffix))) {
      const isFree = await withFreeLock(join(folder, name), () => Promise.resolve());
      if (isFree) free.add(name);
    }
    found.push(
      ...(await describeEach(look, 'half-made', folder, (name) => {
        if (free.has(`${name}${lockSuffix}`)) return { reason: 'whoever made it has ended', ...lockOf(folder, name) };
        const isLone = free.has(name) && !names.has(name.slice(0, -lockSuffix.length));
        return isLone
          ? { reason: 'nobody holds this lock', counts: false, lock: join(folder, name) }
          : { counts: !name.endsWith(lockSuffix) };
      })),
    );
  }
  return [...found, ...(await describeEach(look, 'half-made', layout.making, () => ({ counts: false })))];
}

const lockOf = (folder: string, name: string): About => ({ lock: join(folder, `${name}${lockSuffix}`) });

/** Results of probes. */
export async function findProbes(look: Look): Promise<Found[]> {
  const bootedMs = Date.now() - uptime() * 1000;
  return describeEach(look, 'probe', look.context.layout.probeDirectory, (name, sinceMs) =>
    name.endsWith('.json') && sinceMs < bootedMs && Date.now() - sinceMs > copyKeptMs
      ? { reason: 'it is of an earlier boot of this host' }
      : {},
  );
}

const copyName = /\.sqlite\.layout-\d+$/;
const databaseName = /^(store|server)\.sqlite/;

/** Everything else that lies in the state folder, each entry of it as one thing. */
export async function findOthers(look: Look): Promise<Found[]> {
  const { layout } = look.context;
  const elsewhere = new Set(
    [
      ...['agent', 'confine', 'listen', 'kernels', 'initramfs', 'rootfs', 'oci'].map((name) => join(layout.home, name)),
      ...[layout.goldenSnapshots, layout.snapshots, layout.sandboxes, layout.volumes, layout.probeDirectory],
      ...[layout.workDirectory, layout.instants.workDirectory, layout.making, layout.quarantine],
    ].map((path) => basename(path)),
  );
  const found = await describeEach(look, 'quarantine', layout.quarantine, () => ({
    reason: 'no store knew it',
    when: 'all',
  }));
  for (const name of await readdir(layout.home)) {
    if (elsewhere.has(name)) continue;
    const path = join(layout.home, name);
    const each = name.startsWith('replaced-')
      ? await describe(look, 'replaced', path, { reason: 'a backup was put in its place', when: 'all' })
      : await describe(look, databaseName.test(name) ? 'database' : 'other', path, (sinceMs) =>
          copyName.test(name)
            ? {
                reason: 'it is from before an upgrade',
                when: Date.now() - sinceMs > copyKeptMs ? 'always' : 'all',
                counts: false,
              }
            : {},
        );
    if (each !== null) found.push(each);
  }
  return found;
}
