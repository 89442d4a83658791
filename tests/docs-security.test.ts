import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');

for (const [page, what, least] of [
  ['docs/security.md', 'attack', 40],
  ['docs/fork-correctness.md', 'hazard', 15],
] as const) {
  test(`every ${what} in ${page} names tests that exist`, () => {
    const lines = readFileSync(join(root, page), 'utf8').split('\n');
    const rows = lines.filter((line) => line.startsWith('| ') && line.split('|').length === 5);
    const tested = rows.filter((line) => /\.(?:tsx?|rs)`/.test(line));
    assert.ok(tested.length > least, `${tested.length} rows`);
    const missing: string[] = [];
    for (const row of tested) {
      const cell = row.split('|')[3] ?? '';
      const tests = [...cell.matchAll(/`([^`]+)` "([^"]+)"/g)];
      assert.ok(tests.length > 0, row);
      for (const [, file = '', name = ''] of tests) {
        if (!existsSync(join(root, file)) || !testsIn(file).some((each) => each.includes(name)))
          missing.push(`${file} has no test "${name}"`);
      }
    }
    assert.deepEqual(missing, []);
  });
}

function testsIn(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const names = file.endsWith('.rs')
    ? text.matchAll(/#\[test\]\s*fn ()(\w+)\(/g)
    : text.matchAll(/(?:test|check)\(\s*([`'"])(.*?)\1,/gs);
  return [...names].map(([, , name = '']) => name.replaceAll('\\', ''));
}
