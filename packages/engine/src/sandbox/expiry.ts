import type { EngineContext } from '../context.ts';
import { inBackground, tellInBackground } from '../ports/background.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { startRounds } from '../rounds.ts';
import { beginStopping, endMachine } from './end.ts';
import { hibernateSandbox } from './hibernate.ts';
import { pauseSandbox } from './pause.ts';
import { expiredReason, sweep } from './reconcile.ts';

/** How long a guest whose time is over may take to end its processes, write its disks and power off, ms. */
const guestEndsWithinMs = 10_000;
const lookEveryMs = 1000;
/** The time a VMM gets to write its disks, ms. */
const vmmEndsWithinMs = 2000;
/** How long to wait before a sandbox that could not be paused or hibernated is tried again, ms. */
const againAfterMs = 10_000;

/** A time to live that is over. `sinceMs` is when this process first saw that, on a clock that nobody can set. */
interface Overdue {
  readonly expiresAtMs: number | null;
  readonly sinceMs: number;
}

const isOver = ({ expiresAtMs }: SandboxRecord): boolean => expiresAtMs !== null && expiresAtMs <= Date.now();

/**
 * Does with sandboxes that outlive their time what their configs say. Guests that are to be stopped end by themselves,
 * also where no process of ours runs; this handles those that cannot or will not, such as a guest that starves its
 * agent, or whose VMM is frozen. Those that are to be paused or hibernated run on until a process like this one does
 * it, and disposing waits for those that it has begun. It does not keep the process from ending.
 */
export function keepTimesToLive(context: EngineContext): AsyncDisposable {
  const overdue = new Map<string, Overdue>();
  /** Those that are being put away, and those that could not be, by their ids. */
  const underWay = new Map<string, Promise<void>>();
  const triedMs = new Map<string, number>();

  const end = async (expired: SandboxRecord): Promise<void> => {
    const { record, begun } = beginStopping(context, expired, { reason: expiredReason });
    if (begun) await endMachine(context, record, (machine) => machine.stop({ graceMs: vmmEndsWithinMs }));
  };
  const lookAtGuest = (record: SandboxRecord, now: number): void => {
    const { id, expiresAtMs } = record;
    const known = overdue.get(id);
    if (known === undefined || known.expiresAtMs !== expiresAtMs) overdue.set(id, { expiresAtMs, sinceMs: now });
    else if (now - known.sinceMs >= guestEndsWithinMs) {
      // On a full disk the sandbox still counts as running: it is not ended again before as much time has passed.
      overdue.delete(id);
      inBackground(`ending the sandbox ${id}, whose time is over`, () => end(record));
    }
  };
  const keep = (record: SandboxRecord, now: number): void => {
    const { id } = record;
    if (underWay.has(id) || now - (triedMs.get(id) ?? -Infinity) < againAfterMs) return;
    const work = putAway(context, record)
      .then(() => void triedMs.delete(id))
      .catch((error: unknown) => {
        triedMs.set(id, performance.now());
        // It may have ended, or have been given more time.
        const current = context.store.findSandbox(id);
        if (current?.state === 'running' && isOver(current))
          tellInBackground(`doing with the sandbox ${id}, whose time is over: ${record.config.onTimeout}`, error);
      })
      .finally(() => underWay.delete(id));
    underWay.set(id, work);
  };
  const look = async (): Promise<void> => {
    // An end that has failed, or whose process was killed, is tried again.
    inBackground('settling sandboxes that are stopping', () => sweep(context, ['stopping']));
    const now = performance.now();
    const expired = context.store.listSandboxes(['running']).filter(isOver);
    const ids = new Set(expired.map(({ id }) => id));
    for (const known of [overdue, triedMs]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    for (const record of expired) {
      if (record.config.onTimeout === 'stop') lookAtGuest(record, now);
      else keep(record, now);
    }
  };
  const rounds = startRounds(lookEveryMs, look);
  return {
    async [Symbol.asyncDispose]() {
      await rounds[Symbol.asyncDispose]();
      await Promise.all(underWay.values());
    },
  };
}

/** Pauses or hibernates a sandbox whose time is over, unless it is given more meanwhile. */
async function putAway(context: EngineContext, { id, config }: SandboxRecord): Promise<void> {
  if (config.onTimeout === 'pause') {
    await pauseSandbox(context, id, { onlyIf: isOver });
  } else {
    const how = { memory: config.onTimeout === 'hibernate', onlyIf: isOver, reason: expiredReason };
    await hibernateSandbox(context, id, how);
  }
}
