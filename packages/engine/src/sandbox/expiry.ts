import type { EngineContext } from '../context.ts';
import { inBackground } from '../ports/background.ts';
import { startRounds } from '../rounds.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { attachMachine } from './find.ts';
import { ended, expiredReason } from './reconcile.ts';

/** A guest whose time is over asks its processes to end, writes its disks and powers off: it may take so long, ms. */
const guestEndsWithinMs = 10_000;
const lookEveryMs = 2000;
/** The time a VMM gets to write its disks, ms. */
const vmmEndsWithinMs = 2000;

/** A time to live that is over, since when as this process saw it: the host's clock may have been set meanwhile. */
interface Overdue {
  readonly expiresAtMs: number | null;
  readonly sinceMs: number;
}

/**
 * Ends sandboxes that outlive their time. Their guests do that themselves, also where no process of ours runs; this is for guests that cannot or will not: one that
 * starves its agent, or whose VMM is frozen. Does not keep the process from ending.
 */
export function keepTimesToLive(context: EngineContext): AsyncDisposable {
  const overdue = new Map<string, Overdue>();
  const ending = new Set<string>();

  const end = async (record: SandboxRecord): Promise<void> => {
    ending.add(record.id);
    try {
      const machine = await attachMachine(context, record);
      await machine?.stop({ graceMs: vmmEndsWithinMs });
      await ended(context, record, expiredReason);
    } catch {
      // The next look tries again.
    } finally {
      ending.delete(record.id);
    }
  };
  const look = async (): Promise<void> => {
    const now = performance.now();
    const expired = context.store
      .listSandboxes(['running'])
      .filter(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs <= Date.now());
    const ids = new Set(expired.map(({ id }) => id));
    for (const id of overdue.keys()) if (!ids.has(id)) overdue.delete(id);
    for (const record of expired) {
      const { id, expiresAtMs } = record;
      const known = overdue.get(id);
      if (known === undefined || known.expiresAtMs !== expiresAtMs) overdue.set(id, { expiresAtMs, sinceMs: now });
      else if (now - known.sinceMs >= guestEndsWithinMs && !ending.has(id))
        inBackground(`ending the sandbox ${id}, whose time is over`, () => end(record));
    }
  };
  return startRounds(lookEveryMs, look);
}
