import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/security.md'), 'utf8');

test('every attack in docs/security.md names tests that exist', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && line.split('|').length === 5);
  const attacks = rows.filter((line) => /\.tsx?`/.test(line));
  assert.ok(attacks.length > 40, `${attacks.length} attacks`);
  const missing: string[] = [];
  for (const row of attacks) {
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

const testsIn = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:test|check)\(\s*([`'"])(.*?)\1,/gs)].map(([, , name = '']) =>
    name.replaceAll('\\', ''),
  );
