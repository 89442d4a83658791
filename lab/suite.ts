import { drivers } from '@novasandbox/engine';
import { isNovaError, ownHypervisors, type OwnHypervisor } from '@novasandbox/protocol';

/** Options of Node in the lab: V8's background compilation has crashed on the emulated processor. */
export const nodeInLab: readonly string[] = ['node', '--single-threaded'];

/**
 * The longest test takes three minutes in the lab. A guest that hangs, as happens under this emulation, must not hold
 * up the other tests.
 */
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
const usesKvm = (name: OwnHypervisor): boolean => (drivers[name].vmm?.kvm ?? 'unused') !== 'unused';
const withoutKvm = ownHypervisors.filter((name) => !usesKvm(name));
const conformance = [`(${withoutKvm.join('|')})`, ...ownHypervisors.filter(usesKvm)].map((driver) =>
  tests('--test-name-pattern', `^${driver}: `, 'tests/conformance/drivers.test.ts'),
);
const throughTheEngine = ['firmware', 'hotplug', 'hyperv', 'move', 'network', 'probes', 'user'].map((what) =>
  tests(`tests/e2e/kvm-${what}.test.ts`),
);
/** Runs a command with userfaultfd open to VMMs; everything else runs as on most hosts, where it is closed. */
const onDemand = [
  '/bin/sh',
  '-c',
  'chmod 0666 /dev/userfaultfd && exec "$0" "$@"',
  ...tests('tests/e2e/kvm-restore.test.ts'),
];

/**
 * The tests of the drivers on KVM: their conformance suite, and the engine with each. They need only Node, since
 * nothing can be installed in the lab. Each part runs in a lab of its own, because QEMU's emulation of SVM does not
 * last for all of them.
 */
export const kvmSuite: readonly (readonly string[])[] = [...conformance, ...throughTheEngine, onDemand];

/** A part is given up after its lab was lost this often. */
const mostRuns = 3;

/**
 * Runs each part with `run`, which gives its exit code. A part whose lab is lost is run again, because the loss says
 * nothing about the tests in it; `onLost` is called. Returns the first exit code that is not 0. No further part is
 * begun once `isOver`.
 * @throws the errors of `run`, and the loss of a lab when a part has lost three
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
