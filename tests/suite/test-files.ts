import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { outcomeOf } from '../support/outcome.ts';
import { alone, longest } from './alone.ts';
import type { Job } from './jobs.ts';
import type { Tally } from './tally.ts';

const root = join(import.meta.dirname, '../..');

/** The folders of test files. Phases that come first begin first. */
const phases: Readonly<Record<string, readonly string[]>> = {
  'end to end': ['tests/e2e/**/*.test.ts', 'examples/**/*.test.ts', 'docs/**/*.test.ts'],
  conformance: ['tests/conformance/**/*.test.ts', 'tests/wire/**/*.test.ts'],
  unit: [
    'packages/*/src/**/*.test.ts',
    'bench/**/*.test.ts',
    'tests/*.test.ts',
    'tests/suite/*.test.ts',
    'tests/support/*.test.ts',
  ],
};

export interface TestFile {
  /** Path from the root of the checkout. */
  readonly file: string;
  readonly phase: string;
}

/** All test files, the slowest first, so that a run does not wait for a single one at its end. */
export function testFiles(): TestFile[] {
  const rank = ({ file }: TestFile): number => {
    const place = longest.indexOf(file);
    return place === -1 ? longest.length : place;
  };
  return Object.entries(phases)
    .flatMap(([phase, patterns]) =>
      patterns
        .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }))
        .sort()
        .map((file) => ({ file, phase })),
    )
    .toSorted((a, b) => rank(a) - rank(b));
}

/** Test files that one process runs. */
export interface TestGroup {
  readonly name: string;
  readonly phase: string;
  readonly files: readonly string[];
}

/** Most unit test files in one process. */
const largestGroup = 20;

/**
 * The groups in which test files run. Unit tests are short, and a process takes longer to load the modules than most of
 * them take to run: those of one package share processes. All other files have a process of their own.
 */
export function testGroups(files: readonly TestFile[]): TestGroup[] {
  const apart = ({ file, phase }: TestFile): boolean => phase !== 'unit' || file in alone || longest.includes(file);
  const shared = Map.groupBy(
    files.filter((each) => !apart(each)),
    ({ file }) => file.split('/', file.startsWith('packages/') ? 2 : 1).join('/'),
  );
  return [
    ...files.filter(apart).map(({ file, phase }) => ({ name: file, phase, files: [file] })),
    ...[...shared].flatMap(([folder, each]) => {
      const parts = Math.ceil(each.length / largestGroup);
      return Array.from({ length: parts }, (_, part) => ({
        name: `unit tests of ${folder}${parts === 1 ? '' : `, part ${part + 1} of ${parts}`}`,
        phase: 'unit',
        files: each.filter((_, index) => index % parts === part).map(({ file }) => file),
      }));
    }),
  ];
}

/** Only against a file that hangs, ms. */
const fileTimeout = 600_000;

/** Runs test files in a process of their own. */
export function testJob(tally: Tally, { name, phase, files }: TestGroup, after: readonly Job[]): Job {
  const paths = files.map((file) => join(root, file));
  const isShared = files.length > 1;
  return {
    name,
    phase,
    alone: name in alone,
    beside: phase === 'unit',
    after,
    run: async () => {
      const events = run({
        files: isShared ? [join(import.meta.dirname, 'file-group.ts')] : paths,
        argv: isShared ? paths : [],
        execArgv: ['--disable-warning=ExperimentalWarning'],
        timeout: fileTimeout,
      });
      for await (const event of events) {
        const outcome = outcomeOf(event);
        if (outcome !== null) tally.add(outcome);
      }
    },
  };
}
