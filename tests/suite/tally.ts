import { cpus } from 'node:os';
import { styleText } from 'node:util';
import { failedText, passedText, type Outcome } from '../support/outcome.ts';
import type { JobTime } from './jobs.ts';

export const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** The counts of a test run; each result is printed as it comes. */
export interface Tally {
  readonly counts: Readonly<Record<Outcome['result'], number>>;
  /** The texts of the failures, as they were printed. */
  readonly failures: readonly string[];
  add(outcome: Outcome): void;
  pass(name: string, detail?: string): void;
  fail(name: string, detail: string): void;
  /** Adds results that another program has printed. */
  count(result: Outcome['result'], amount: number): void;
}

export function createTally(): Tally {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const add = ({ result, text }: Outcome): void => {
    counts[result]++;
    if (result === 'failed') failures.push(text);
    say(text);
  };
  return {
    counts,
    failures,
    add,
    pass: (name, detail) => add({ result: 'passed', text: passedText(name, detail) }),
    fail: (name, detail) => add({ result: 'failed', text: failedText(name, detail) }),
    count: (result, amount) => void (counts[result] += amount),
  };
}

/** Most characters of one failure where it is repeated. */
const longestFailure = 2000;

/** The beginning of a failure's text. */
export const shortened = (text: string): string =>
  text.length <= longestFailure ? text : `${text.slice(0, longestFailure)} ...`;

/** How many of the slowest jobs are listed. */
const slowest = 25;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(10);

/**
 * The time taken: the slowest jobs, and for each phase the sum of its jobs and the time from the begin of the first to
 * the end of the last.
 */
export function timesText(times: readonly JobTime[]): string {
  const took = ({ fromMs, toMs }: JobTime): number => toMs - fromMs;
  const phases = Map.groupBy(times, ({ phase }) => phase);
  return [
    styleText('bold', 'slowest'),
    ...times
      .toSorted((a, b) => took(b) - took(a))
      .slice(0, slowest)
      .map((time) => `${seconds(took(time))}  ${time.name}`),
    styleText('bold', 'phases: sum of its jobs, from, to'),
    ...[...phases].map(([phase, each]) => {
      const sum = each.reduce((total, time) => total + took(time), 0);
      const from = Math.min(...each.map(({ fromMs }) => fromMs));
      const to = Math.max(...each.map(({ toMs }) => toMs));
      return `${seconds(sum)} ${seconds(from)} ${seconds(to)}  ${phase} (${each.length})`;
    }),
  ].join('\n');
}

/** Measures how busy the host's processors are from now on, with all programs. */
export function watchProcessors(): () => string {
  const read = (): { busy: number; all: number } => {
    let [busy, all] = [0, 0];
    for (const { times } of cpus()) {
      const sum = Object.values(times).reduce((total, ms) => total + ms, 0);
      all += sum;
      busy += sum - times.idle;
    }
    return { busy, all };
  };
  const before = read();
  return () => {
    const now = read();
    const share = (now.busy - before.busy) / Math.max(1, now.all - before.all);
    return `the host's ${cpus().length} processors were busy for ${Math.round(share * 100)} % of the time`;
  };
}
