import { inBackground } from '@novasandbox/engine';
import type { DaemonContext } from './daemon-context.ts';
import { createHousekeeping } from './housekeeping.ts';

const lookMs = 1000;
const trimMs = 60_000;
const tidyMs = 60_000;

/** Runs the periodic work of the daemon. A round starts only after the one before it has ended. */
export function startRounds(context: DaemonContext): Disposable {
  const { roster, idle, measurements, store, config, quietEngine, log } = context;
  const ending = new AbortController();
  const rounds = [
    every(lookMs, () => roster.refresh()),
    every(lookMs, async () => {
      // The sweep is not awaited: a VM that stops slowly is skipped by later sweeps and does not delay the others.
      inBackground('stopping idle VMs', () => idle.sweep());
    }),
    every(config.monitoring.interval_seconds * 1000, () => measurements.sample()),
    every(trimMs, async () => store.trim(Date.now())),
    every(tidyMs, createHousekeeping(context, ending.signal)),
  ];
  // The first probe boots a guest; /ready reports its result.
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
  return {
    [Symbol.dispose]() {
      for (const round of rounds) round.stop();
      ending.abort();
    },
  };
}
