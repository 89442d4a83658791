import { existsSync, mkdirSync, readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import type { Layout } from '@novasandbox/engine';

/**
 * Everything that a test's state folder has had on the host so far, in whichever process. Cgroups and networks are
 * named only by ids and numbers, and files that run side by side must not be blamed for the leftovers of another.
 */
export interface Belongings extends Disposable {
  /** Ids of its machines: those of sandboxes, snapshots, images and probes. */
  readonly machines: ReadonlySet<string>;
  /** Numbers of the network slots that it held, or that a process of it kept ready. */
  readonly slots: ReadonlySet<number>;
}

export interface SlotRow {
  readonly number: number;
  readonly state: string;
  readonly home: string | null;
  readonly pid: number;
}

/** All slots of the host. */
export function registeredSlots({ slotRegistryFile }: Layout): SlotRow[] {
  if (!existsSync(slotRegistryFile)) return [];
  const database = new DatabaseSync(slotRegistryFile, { timeout: 10_000, readOnly: true });
  try {
    // Another process may be making the registry just now.
    if (database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'slots'").get() === undefined) return [];
    return database
      .prepare('SELECT number, state, home, pid FROM slots')
      .all()
      .map((row) => ({
        number: Number(row['number']),
        state: String(row['state']),
        home: row['home'] === null ? null : String(row['home']),
        pid: Number(row['pid']),
      }));
  } finally {
    database.close();
  }
}

const watched = new Map<string, Belongings>();

/** The belongings of a state folder; null when nobody has watched it from its beginning. */
export async function belongingsOf(layout: Layout): Promise<Belongings | null> {
  // The watch hears of recent changes in the next turn of the event loop.
  await turn();
  await turn();
  return watched.get(layout.home) ?? null;
}

/**
 * Watches a new state folder from now on. A machine's socket folder, and the row of a slot, exist before anything else
 * of them.
 */
export function watchBelongings(layout: Layout): Belongings {
  const machines = new Set<string>();
  const slots = new Set<number>();
  const isOurs = (pid: number): boolean =>
    pid === process.pid || environmentOf(pid).includes(`NOVA_HOME=${layout.home}`);
  const look = (): void => {
    let registered: SlotRow[];
    try {
      registered = registeredSlots(layout);
    } catch {
      // For example, a process was killed while it wrote. The next writer repairs it, and we look again.
      return;
    }
    for (const { number, home, pid } of registered)
      if (home === layout.home || (home === null && isOurs(pid))) slots.add(number);
  };
  // A probe has its folder beside the results of probes. Where files share that folder, each has seen the probes of
  // all.
  const watches = [layout.run, layout.probeDirectory].map((folder) =>
    watch(folder, { persistent: false }, (_event, name) => void (name !== null && machines.add(name))),
  );
  // Slots belong to root.
  if (process.getuid?.() === 0 && process.platform === 'linux') {
    const registry = basename(layout.slotRegistryFile);
    mkdirSync(dirname(layout.slotRegistryFile), { recursive: true, mode: 0o711 });
    let due = false;
    watches.push(
      watch(dirname(layout.slotRegistryFile), { persistent: false }, (_event, name) => {
        if (due || name?.startsWith(registry) !== true) return;
        due = true;
        setImmediate(() => {
          due = false;
          look();
        });
      }),
    );
  }
  const belongings: Belongings = {
    machines,
    slots,
    [Symbol.dispose]: () => {
      for (const each of watches) each.close();
      watched.delete(layout.home);
    },
  };
  watched.set(layout.home, belongings);
  return belongings;
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
