import { inBackground, type Engine } from '@novasandbox/engine';
import { isNovaError } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { Services } from '../context.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { ActivityRecord } from './activity.ts';
import type { Roster } from './roster.ts';

/** Idle limits of VMs, and the stop of those that have been idle for that long. */
export interface Idle {
  timeoutMs(vmId: string): number;
  setTimeoutMs(vmId: string, ms: number): void;
  forget(vmId: string): void;
  /** Forgets all but those: what was removed while no daemon ran. */
  prune(vmIds: ReadonlySet<string>): void;
  /** Looks at all running VMs once, but for those that a sweep before still looks at. Never rejects. */
  sweep(): Promise<void>;
}

export interface IdleParts {
  /** Asked what runs; that is no activity. */
  readonly quietEngine: Engine;
  /** The observed one: a stop is told like any other. */
  readonly engine: Pick<Services, 'sandboxes'>;
  readonly store: ServerStore;
  readonly activity: ActivityRecord;
  readonly roster: Roster;
  readonly log: Logger;
  readonly defaultMs: number;
}

/** A guest that does not answer has this long; it is asked again at the next sweep, until it has been idle for twice its limit. */
const askMs = 5000;

export function createIdle({ engine, quietEngine, store, activity, roster, log, defaultMs }: IdleParts): Idle {
  const own = new Map(store.idleTimeouts());
  const stopping = new Set<string>();
  const timeoutMs = (vmId: string): number => own.get(vmId) ?? defaultMs;

  /** Null where the guest does not answer. */
  const runsCommands = async (id: string): Promise<boolean | null> => {
    try {
      const processes = await quietEngine.exec.list(id, { signal: AbortSignal.timeout(askMs) });
      return processes.some(({ running }) => running);
    } catch (error) {
      if (!isNovaError(error, 'cancelled', 'guest_unreachable', 'guest_protocol_error')) throw error;
      return null;
    }
  };
  const consider = async (id: string): Promise<void> => {
    const limit = timeoutMs(id);
    if (limit === 0 || activity.idleMs(id) < limit || stopping.has(id)) return;
    stopping.add(id);
    try {
      // Commands that nobody is attached to count too.
      const runs = await runsCommands(id);
      if (runs === true) {
        activity.busy(id)[Symbol.dispose]();
        return;
      }
      // A limit that only a guest's answer could bring about would be no limit for one that gives none.
      const force = runs === null;
      if (activity.idleMs(id) < (force ? 2 * limit : limit)) return;
      log.info({ operation: 'idleStop', vm: id, idle_ms: activity.idleMs(id) }, 'idle VM stopped');
      await engine.sandboxes.stop(id, { force });
    } catch (error) {
      if (!isNovaError(error, 'sandbox_not_found', 'sandbox_not_running')) {
        log.warn({ operation: 'idleStop', vm: id, err: error }, 'idle VM could not be stopped');
      }
    } finally {
      stopping.delete(id);
    }
  };

  const forget = (vmId: string): void => {
    if (!own.delete(vmId)) return;
    // One that stays behind is forgotten at the next start.
    inBackground(`forgetting the idle limit of ${vmId}`, () => store.setIdleTimeout(vmId, null));
  };
  return {
    timeoutMs,
    setTimeoutMs(vmId, ms) {
      own.set(vmId, ms);
      store.setIdleTimeout(vmId, ms);
    },
    forget,
    prune(vmIds) {
      for (const vmId of own.keys()) if (!vmIds.has(vmId)) forget(vmId);
    },
    async sweep() {
      const running = roster.list().filter(({ state }) => state === 'running');
      await Promise.all(running.map(({ id }) => consider(id)));
    },
  };
}
