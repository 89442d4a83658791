import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { EngineContext } from '../context.ts';
import { digestOf } from '../golden/in-use.ts';
import { manifestFile, readGoldenSnapshot } from '../golden/manifest.ts';
import { writableDiskFile } from '../sandbox/disk.ts';
import { halfKeptMemory, keptMemory } from '../sandbox/kept-memory.ts';
import { volumeDisk } from '../sandbox/volumes.ts';
import { describe, describeEach, type About, type Found, type Look } from './found.ts';
import type { References } from './references.ts';

/** A golden snapshot from which nobody has made a clone for so long is made again when somebody does, ms. */
const unusedAfterMs = 30 * 86_400_000;

/** Golden snapshots. */
export async function findGoldenSnapshots(look: Look, needs: References): Promise<Found[]> {
  const { layout } = look.context;
  const whole = new Set<string>();
  const found = await describeEach(look, 'golden-snapshot', layout.goldenSnapshots, () => ({}));
  await Promise.all(
    found.map(async ({ name, path }) => {
      if ((await readGoldenSnapshot(name, path)) !== null) whole.add(path);
    }),
  );
  return found.map((each): Found => ({ ...each, ...aboutGolden(look, needs, each, whole.has(each.path)) }));
}

function aboutGolden(
  { context: { layout } }: Look,
  needs: References,
  { path }: Pick<Found, 'path'>,
  isWhole: boolean,
): About {
  const name = path.slice(layout.goldenSnapshots.length + 1);
  const lock = goldenLock(layout, name);
  if (needs.golden.has(digestOf(name)) || needs.unreadable) return { lock };
  if (name !== digestOf(name)) return { lock, reason: 'it was replaced, and nobody needs its memory' };
  if (!isWhole) return { lock, reason: 'it is damaged, and nobody needs its memory' };
  const usedMs = statSync(join(path, manifestFile), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const unusedMs = Date.now() - usedMs;
  return unusedMs > unusedAfterMs ? { lock, reason: 'it was not used for 30 days' } : { lock };
}

/** The lock under which a golden snapshot is made (golden/ensure.ts). */
const goldenLock = ({ workDirectory }: EngineContext['layout'], name: string): string =>
  join(workDirectory, `golden-${digestOf(name)}.lock`);

/** Snapshots, sandboxes and volumes. */
export async function findRecorded(look: Look): Promise<Found[]> {
  const { layout, store } = look.context;
  const snapshots = new Set(store.listSnapshots().map(({ id }) => id));
  const volumes = new Set(store.listVolumes().map(({ id }) => id));
  const unknown = (known: ReadonlySet<string>, name: string): About =>
    known.has(name) ? {} : { reason: 'the store does not know it', when: 'all' };
  return [
    ...(await describeEach(look, 'snapshot', layout.snapshots, (name) => ({
      ...unknown(snapshots, name),
      // A process that takes or removes the snapshot holds it.
      lock: join(layout.instants.workDirectory, `${name}.lock`),
    }))),
    ...(await findSandboxes(look)),
    ...(await describeEach(look, 'volume', layout.volumes, (name) => unknown(volumes, name))),
  ];
}

/** Sandboxes, and the memory in their folders that they do not go on from. */
async function findSandboxes(look: Look): Promise<Found[]> {
  const { context } = look;
  const sandboxes = await describeEach(look, 'sandbox', context.layout.sandboxes, () => ({}));
  const left: Found[] = [];
  for (const { id, sleep } of context.store.listSandboxes()) {
    const reasons = [
      [halfKeptMemory(context, id), 'nobody writes this memory any more'],
      ...(sleep?.memory === true ? [] : [[keptMemory(context, id), 'the sandbox does not go on from this memory']]),
    ] as const;
    for (const [path, reason] of reasons) {
      // Whoever writes memory, or goes on from it, has the turn.
      const found = await describe(look, 'sandbox', path, { counts: false, reason, turnOf: id });
      if (found !== null) left.push(found);
    }
  }
  const leftIn = (path: string): number =>
    left.reduce((total, each) => total + (dirname(each.path) === path ? each.bytes : 0), 0);
  return [...sandboxes.map((each) => ({ ...each, bytes: each.bytes - leftIn(each.path) })), ...left];
}

/** Records whose files are missing. */
export function missingFiles(context: EngineContext): string[] {
  const { layout, store } = context;
  const lost: string[] = [];
  for (const { id, name } of store.listSnapshots())
    if (!existsSync(layout.snapshot(id))) lost.push(`The files of the snapshot ${name ?? id} are missing.`);
  for (const { id, name, maker } of store.listVolumes())
    if (maker === null && !existsSync(volumeDisk(context, id)))
      lost.push(`The disk of the volume ${name} (${id}) is missing.`);
  for (const { id, name, config, hypervisor } of store.listSandboxes(['stopped', 'hibernated'])) {
    const hasDisk = !config.readOnlyRootfs && context.drivers.get(hypervisor)?.features.virtualMachine !== false;
    if (hasDisk && !existsSync(join(layout.sandbox(id), writableDiskFile)))
      lost.push(`The disk of the sandbox ${name ?? id} is missing.`);
  }
  return lost;
}
