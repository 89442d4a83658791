/** One part of a test run, in processes of its own: a check, a build, a test file. */
export interface Job {
  readonly name: string;
  /** The heading under which it is listed when the run is over. */
  readonly phase: string;
  /** It runs alone, after all jobs that may run side by side. */
  readonly alone?: boolean;
  /** It runs beside the others, which leave the processors idle now and then: one at a time, more where others lack. */
  readonly beside?: boolean;
  /** It begins when these have ended, whether or not they failed. */
  readonly after?: readonly Job[];
  /** Reports its failures itself. An error that it throws ends the whole run. */
  run(): Promise<void>;
}

export interface JobTime {
  readonly name: string;
  readonly phase: string;
  /** When it began and ended, ms after the first job began. */
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Runs jobs side by side, at most `atOnce` of them and one that runs beside them, in the given order where they do not
 * wait for each other. Jobs that run alone come last, one after the other. Resolves to the time that each took.
 */
export async function runJobs(jobs: readonly Job[], atOnce: number): Promise<JobTime[]> {
  const startedAt = performance.now();
  const waiting = [...jobs];
  const running = new Map<Job, Promise<void>>();
  const ended = new Set<Job>();
  const times: JobTime[] = [];

  const start = (job: Job): void => {
    waiting.splice(waiting.indexOf(job), 1);
    const fromMs = performance.now() - startedAt;
    const work = async (): Promise<void> => {
      await job.run();
      running.delete(job);
      ended.add(job);
      times.push({ name: job.name, phase: job.phase, fromMs, toMs: performance.now() - startedAt });
    };
    running.set(job, work());
  };
  const isReady = ({ after = [] }: Job): boolean => after.every((other) => ended.has(other));
  /** The one job more than `atOnce` is one that runs beside the others, or another where such a job runs already. */
  const hasRoom = ({ beside = false }: Job): boolean => {
    const now = [...running.keys()];
    const others = now.filter((job) => job.beside !== true).length;
    const most = beside && others < now.length ? atOnce : atOnce + 1;
    return now.length < most && (beside || others < atOnce);
  };

  for (;;) {
    const ready = waiting.filter((job) => job.alone !== true && isReady(job));
    const inTurn = ready.toSorted((a, b) => Number(a.beside ?? false) - Number(b.beside ?? false));
    for (const job of inTurn) if (hasRoom(job)) start(job);
    if (running.size === 0) {
      const next = waiting.find(isReady);
      if (next === undefined) break;
      start(next);
    }
    await Promise.race(running.values());
  }
  if (waiting.length > 0) throw new Error(`jobs wait for each other: ${waiting.map(({ name }) => name).join(', ')}`);
  return times;
}
