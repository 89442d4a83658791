// A bug, four candidate patches, one sandbox that is set up: each patch is tried in a fork of it, and the best is kept.
import { Sandbox, type CommandResult } from 'novasandbox';

const tests = `import unittest
from median import median

class Median(unittest.TestCase):
    def test_one(self): self.assertEqual(median([7]), 7)
    def test_odd(self): self.assertEqual(median([9, 1, 2]), 2)
    def test_even(self): self.assertEqual(median([4, 1, 3, 20]), 3.5)
    def test_measured(self):
        with open('/dev/shm/measured') as data: self.assertEqual(median([int(line) for line in data]), 25005000.5)
`;
const bug = 'def median(values): return values[len(values) // 2]\n';
// As a model might propose them: one is wrong, one never ends, one is right, one is only better than before.
const patches = [
  'def median(values): return sum(values) / len(values)\n',
  'def median(values):\n    while True: pass\n',
  'def median(values):\n    s, middle = sorted(values), len(values) // 2\n    return (s[middle] + s[~middle]) / 2\n',
  'def median(values): return sorted(values)[len(values) // 2]\n',
];
const passed = ({ stderr }: CommandResult): number => stderr.match(/ ok$/gm)?.length ?? 0;

await using sandbox = await Sandbox.create({ memoryMb: 256, enableNetwork: false });
// The work that is done once, however long it takes: every fork has its files and what is in memory.
await sandbox.files.write('median.py', bug);
await sandbox.files.write('test_median.py', tests);
await sandbox.commands.run("seq 10000 | awk '{ print $1 * $1 }' | shuf > /dev/shm/measured");
const test = ['python3', '-m', 'unittest', '-v'];
console.log(`before: ${passed(await sandbox.commands.run(test, { check: false }))} of 4 tests pass`);

await using best = await sandbox.race({
  count: patches.length,
  run: async (child, index, signal) => {
    await child.files.write('median.py', patches[index] ?? '');
    return child.commands.run(test, { check: false, signal });
  },
  score: passed,
  until: (score) => score === 4, // the one that never ends is not waited for
  timeoutMs: 120_000,
});
console.log(`patch ${best.index + 1}: ${best.score} of 4 tests pass`);

// The winner is a sandbox like any other. Here its file is taken over, and it is removed with the handle.
await sandbox.files.write('median.py', await best.sandbox.files.read('median.py'));
console.log(`the project has: ${(await sandbox.executeCommand('grep middle median.py | head -1')).trim()}`);
