import { availableParallelism } from 'node:os';
import { layoutAt } from '@novasandbox/engine';
import { checks } from './suite/checks.ts';
import { runJobs, type Job } from './suite/jobs.ts';
import { needsPacked, packedOnce } from './suite/packed.ts';
import { createTally, say, shortened, timesText, watchProcessors } from './suite/tally.ts';
import { foreignTemplates, ownTemplates } from './suite/templates.ts';
import { testFiles, testGroups, testJob, type TestFile } from './suite/test-files.ts';
import { findLeaks } from './support/leaks.ts';

/**
 * The whole test run: checks of the source, the agent's tests, unit, conformance and end-to-end tests, and finally a
 * search for leftovers. Arguments are parts of file names: only test files that contain one of them run, and nothing
 * else.
 */
const wanted = process.argv.slice(2);
const tally = createTally();

// Sandboxes that already exist on this machine do not belong to the tests.
const foundBefore = new Set(await findLeaks(layoutAt()));

/**
 * As many as there are processors, but not all of them on a large machine, because each file starts machines of its
 * own. Checks and unit tests use the time in which these wait.
 */
const atOnce = Math.min(Math.max(2, availableParallelism()), 4);

const files = testFiles().filter(({ file }) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
const isUnit = ({ phase }: TestFile): boolean => phase === 'unit';
const needsForeign = (file: string): boolean => file.endsWith('/foreign.test.ts');
const own = files.every(isUnit) ? [] : [ownTemplates(tally)];
const foreign = files.some(({ file }) => needsForeign(file)) ? [foreignTemplates(tally, own)] : [];
await using packed = await packedOnce(tally);
const packing = files.some(({ file }) => needsPacked(file)) ? [packed.job] : [];
const jobs: Job[] = [
  ...own,
  ...packing,
  ...(wanted.length === 0 ? checks(tally) : []),
  ...foreign,
  ...testGroups(files).map((group) => {
    const builds = [
      ...(group.files.some(needsForeign) ? foreign : []),
      ...(group.files.some(needsPacked) ? packing : []),
    ];
    return testJob(tally, group, [...own, ...builds]);
  }),
];
const processors = watchProcessors();
const times = await runJobs(jobs, atOnce);

const leaks = (await findLeaks(layoutAt())).filter((leak) => !foundBefore.has(leak));
if (leaks.length === 0) tally.pass('nothing is left behind');
else tally.fail('nothing is left behind', leaks.join('\n'));

say(`\n${timesText(times)}\n${processors()}`);
// A reader who has only the end of the output sees the failures too.
if (tally.failures.length > 0) say(`\nfailed\n${tally.failures.map(shortened).join('\n')}`);
const { passed, failed, skipped } = tally.counts;
say(`\n${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
