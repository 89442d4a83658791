import { inBackground, type Engine } from '@novasandbox/engine';
import { isNovaError, type OnTimeout, type SandboxInfo } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { Services } from '../context.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { ActivityRecord } from './activity.ts';
import type { GuestWork } from './guest-work.ts';
import type { Roster } from './roster.ts';

/**
 * Idle limits of VMs. A sweep stops the VMs that have been idle for longer, or puts them away as their configs say for
 * the end of their time to live.
 */
export interface Idle {
  timeoutMs(vmId: string): number;
  setTimeoutMs(vmId: string, ms: number): void;
  forget(vmId: string): void;
  /** Forgets all other VMs, which were removed while no daemon ran. */
  prune(vmIds: ReadonlySet<string>): void;
  /** Checks all running VMs once, except those that an earlier sweep is still checking. Never rejects. */
  sweep(): Promise<void>;
}

export interface IdleParts {
  /** Lists running commands without counting as activity. */
  readonly quietEngine: Engine;
  readonly guestWork: GuestWork;
  /** The observed engine, so that an idle stop is reported like any other. */
  readonly engine: Pick<Services, 'sandboxes'>;
  readonly store: ServerStore;
  readonly activity: ActivityRecord;
  readonly roster: Roster;
  readonly log: Logger;
  readonly defaultMs: number;
}

/**
 * How long a guest may take to answer. It is asked again at the next sweep, until it has been idle for twice its limit.
 */
const askMs = 5000;
/**
 * How often guests are looked at for work that nobody is attached to, ms: the shorter their limit, the more often. The
 * guest counts its CPU time in steps of some milliseconds, so that shorter windows say little.
 */
const leastWindowMs = 2000;
const mostWindowMs = 60_000;
/** How long to wait before a VM that could not be put away is tried again, ms. */
const againAfterMs = 10_000;

/** The failures of a guest to answer. */
const silence = ['cancelled', 'guest_unreachable', 'guest_protocol_error'] as const;

export function createIdle(parts: IdleParts): Idle {
  const { engine, quietEngine, guestWork, store, activity, roster, log, defaultMs } = parts;
  const own = new Map(store.idleTimeouts());
  /** VMs that were running in the last sweep, those that are being looked at, and when those that failed were tried. */
  let running = new Set<string>();
  const underWay = new Set<string>();
  const triedMs = new Map<string, number>();
  const timeoutMs = (vmId: string): number => own.get(vmId) ?? defaultMs;
  const noteActivity = (vmId: string): void => activity.busy(vmId)[Symbol.dispose]();

  /** Puts an idle VM away; `force` where its guest does not answer. */
  const putAway: Readonly<Record<OnTimeout, (id: string, force: boolean) => Promise<unknown>>> = {
    stop: (id, force) => engine.sandboxes.stop(id, { force }),
    pause: (id) => engine.sandboxes.pause(id),
    hibernate: (id) => engine.sandboxes.hibernate(id),
    'hibernate-disk': (id) => engine.sandboxes.hibernate(id, { memory: false }),
  };

  /** Returns null when the guest does not answer. */
  const answerOf = async <T>(asked: Promise<T>): Promise<T | null> => {
    try {
      return await asked;
    } catch (error) {
      if (!isNovaError(error, ...silence)) throw error;
      return null;
    }
  };
  // Commands that nobody is attached to count too.
  const runsCommands = async (id: string): Promise<boolean> => {
    const processes = await quietEngine.exec.list(id, { signal: AbortSignal.timeout(askMs) });
    return processes.some((process) => process.running);
  };
  const consider = async (info: SandboxInfo, limit: number): Promise<void> => {
    const { id, onTimeout } = info;
    const isOver = activity.idleMs(id) >= limit;
    const windowMs = isOver ? leastWindowMs : Math.min(mostWindowMs, Math.max(leastWindowMs, limit / 4));
    const worked = await answerOf(guestWork.hasWorked(info, windowMs));
    if (worked === true) return noteActivity(id);
    if (!isOver || worked === undefined) return;
    const runs = await answerOf(runsCommands(id));
    if (runs === true) return noteActivity(id);
    // A guest that never answers must not escape its limit: it is put away at twice the limit.
    const force = runs === null;
    const idleMs = activity.idleMs(id);
    if (idleMs < (force ? 2 * limit : limit)) return;
    log.info({ operation: 'idle', vm: id, idle_ms: idleMs, action: onTimeout }, 'an idle VM is put away');
    triedMs.set(id, performance.now());
    await putAway[onTimeout](id, force);
    triedMs.delete(id);
    // If it goes on before the next sweep, it is as one that was not running.
    running.delete(id);
  };
  const look = async (info: SandboxInfo): Promise<void> => {
    const { id } = info;
    const limit = timeoutMs(id);
    if (limit === 0 || underWay.has(id)) return;
    if (activity.idleMs(id) === 0) return guestWork.forget(id);
    if (performance.now() - (triedMs.get(id) ?? -Infinity) < againAfterMs) return;
    underWay.add(id);
    try {
      await consider(info, limit);
    } catch (error) {
      // It has ended meanwhile, or somebody else has put it away.
      if (isNovaError(error, 'sandbox_not_found', 'sandbox_not_running', 'invalid_state')) return;
      log.warn({ operation: 'idle', vm: id, err: error }, 'an idle VM could not be put away');
    } finally {
      underWay.delete(id);
    }
  };

  const forget = (vmId: string): void => {
    guestWork.forget(vmId);
    triedMs.delete(vmId);
    if (!own.delete(vmId)) return;
    // A row that cannot be removed now is removed at the next start.
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
      const infos = roster.list().filter(({ state }) => state === 'running');
      // One that begins to run or goes on has all its time before it, whoever has let it.
      for (const { id } of infos) if (!running.has(id)) noteActivity(id);
      running = new Set(infos.map(({ id }) => id));
      await Promise.all(infos.map(look));
    },
  };
}
