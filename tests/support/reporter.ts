import type { TestEvent } from 'node:test/reporters';
import { outcomeOf, type Outcome } from './outcome.ts';

/**
 * Reporter of `node --test` (`--test-reporter`) for runs that may end before their end, as the lab's machine may: everything is said as it
 * happens, failures with their reasons, and diagnostics; the usual ones keep the reasons for a summary.
 */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: Record<Outcome['result'], number> = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of events) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') yield event.data.message;
    // Those of the whole run, which have no file, count what is counted here.
    if (event.type === 'test:diagnostic' && event.data.file !== undefined) yield `ℹ ${event.data.message}\n`;
    const outcome = outcomeOf(event);
    if (outcome === null) continue;
    counts[outcome.result]++;
    yield `${outcome.text}\n`;
  }
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}
