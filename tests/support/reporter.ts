import type { TestEvent } from 'node:test/reporters';
import { outcomeOf, type Outcome } from './outcome.ts';

/**
 * Reporter of `node --test` (`--test-reporter`) for runs that may be cut off, as the lab's machine may be. Everything
 * is printed as it happens: failures with their reasons, and diagnostics. The usual reporters keep the reasons for a
 * summary.
 */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: Record<Outcome['result'], number> = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of events) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') yield event.data.message;
    // Diagnostics of the whole run, which have no file, repeat the counts that are made here.
    if (event.type === 'test:diagnostic' && event.data.file !== undefined) yield `ℹ ${event.data.message}\n`;
    const outcome = outcomeOf(event);
    if (outcome === null) continue;
    counts[outcome.result]++;
    yield `${outcome.text}\n`;
  }
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}
