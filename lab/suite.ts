import { isNovaError } from '@novasandbox/protocol';

/** How Node is started in the lab: V8's background compilation has been seen to crash on the emulated processor. */
export const nodeInLab: readonly string[] = ['node', '--single-threaded'];

/** The longest takes three minutes there. A guest that stands still for good, as the emulation has had it, must not hold up the rest. */
const longestTestMs = 15 * 60_000;

const tests = (...words: readonly string[]): readonly string[] => [
  ...nodeInLab,
  '--disable-warning=ExperimentalWarning',
  '--test',
  '--test-concurrency=1',
  `--test-timeout=${longestTestMs}`,
  '--test-reporter=./tests/support/reporter.ts',
  ...words,
];

// Guests of other processors are emulated, with KVM or without, and the lab could not make them.
const conformance = ['(process|apple-vz)', 'firecracker', 'cloud-hypervisor', 'qemu'].map((driver) =>
  tests('--test-name-pattern', `^${driver}: `, 'tests/conformance/drivers.test.ts'),
);
const throughTheEngine = ['firmware', 'hotplug', 'hyperv', 'move', 'network', 'probes', 'user'].map((what) =>
  tests(`tests/e2e/kvm-${what}.test.ts`),
);
/** Where VMMs may serve page faults themselves; everything else runs as on most hosts, where they may not. */
const onDemand = [
  '/bin/sh',
  '-c',
  'chmod 0666 /dev/userfaultfd && exec "$0" "$@"',
  ...tests('tests/e2e/kvm-restore.test.ts'),
];

/**
 * What shows the drivers on KVM: their conformance suite, and the engine with each. With Node alone, for in the lab nothing can be set up. In parts, each for a lab
 * of its own: QEMU's emulation of SVM does not last for all of them.
 */
export const kvmSuite: readonly (readonly string[])[] = [...conformance, ...throughTheEngine, onDemand];

/** A part whose lab was lost this often is given up. */
const mostRuns = 3;

/**
 * Runs each part with `run`, which gives its exit code. A part whose lab is lost is run again, as that says nothing of what ran in it; `onLost` is told.
 * Gives the first exit code that is not 0. No other part is begun once `isOver`.
 * @throws what `run` throws; a lost lab once a part has lost three
 */
export async function runParts(
  parts: readonly (readonly string[])[],
  run: (argv: readonly string[]) => Promise<number>,
  { onLost, isOver }: { readonly onLost: (reason: string) => void; readonly isOver: () => boolean },
): Promise<number> {
  let exitCode = 0;
  for (const argv of parts) {
    if (isOver()) break;
    for (let runs = 1; ; runs++) {
      try {
        const code = await run(argv);
        if (exitCode === 0) exitCode = code;
        break;
      } catch (error) {
        if (isOver() || runs === mostRuns || !isNovaError(error, 'guest_unreachable')) throw error;
        onLost(error.message);
      }
    }
  }
  return exitCode;
}
