import { inBackground } from '@novasandbox/engine';
import type { DaemonContext } from './daemon-context.ts';

const lookMs = 1000;
const trimMs = 60_000;

/** What the daemon does by the clock. One round at a time: a slow one is not overtaken by the next. */
export function startRounds(context: DaemonContext): Disposable {
  const { roster, idle, measurements, store, config, quietEngine, log } = context;
  const rounds = [
    every(lookMs, () => roster.refresh()),
    every(lookMs, async () => {
      // Not waited for: a VM that takes its time is left alone by the next sweep, and the others have theirs.
      inBackground('stopping idle VMs', () => idle.sweep());
    }),
    every(config.monitoring.interval_seconds * 1000, () => measurements.sample()),
    every(trimMs, async () => store.trim(Date.now())),
  ];
  // The first probe boots a guest; /ready says how it went.
  quietEngine.hypervisors().catch((error: unknown) => log.warn({ err: error }, 'hypervisors could not be probed'));

  function every(ms: number, work: () => Promise<void>): { stop(): void } {
    let timer: NodeJS.Timeout | undefined;
    let stopped = false;
    const next = (): void => {
      if (!stopped) timer = setTimeout(run, ms);
    };
    const run = (): void => {
      work()
        .catch((error: unknown) => {
          if (!stopped) log.error({ err: error }, 'a round failed');
        })
        .finally(next);
    };
    next();
    return {
      stop() {
        stopped = true;
        clearTimeout(timer);
      },
    };
  }
  return { [Symbol.dispose]: () => rounds.forEach((round) => round.stop()) };
}
