/**
 * Test files that run alone on the machine, each with its reason. All others run side by side: they use a state folder
 * of their own (support/test-home.ts), and their leaks are distinguished from those of others (support/leaks.ts).
 */
export const alone: Readonly<Record<string, string>> = {
  'tests/network-slots.test.ts': 'it counts on ready slots, which are the whole host’s: whoever comes takes them',
  'tests/e2e/lab.test.ts':
    'its guests run on an emulated processor that emulates another; beside other files they take minutes to answer',
  'tests/e2e/other-users.test.ts': 'it walks through all of the machine’s shared folders, which others change',
  'tests/support/leaks.test.ts':
    'what it leaves behind for a moment is cgroups of this host, and it counts on a look that finds them soon',
};

/** The slowest files, the slowest first. They begin first, so that no slow one is left for the end. */
export const longest: readonly string[] = [
  'tests/e2e/contract-remote.test.ts',
  'tests/e2e/python-sdk.test.ts',
  'tests/conformance/foreign.test.ts',
  'tests/e2e/foreign.test.ts',
  'tests/e2e/packages.test.ts',
  'tests/e2e/client-package.test.ts',
  'tests/e2e/cli-setup.test.ts',
  'tests/conformance/newest-qemu.test.ts',
];
