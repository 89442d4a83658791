import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable, printableJson } from './visible.ts';

const hostile = 'a\x1b]0;title\x07\tb\r\nc\x9b1m\0\x7f \u202Egpj.exe\u202C \u2066x\u2069\u200f\u061c\u2028';

test('control characters and turned directions are made visible, line ends and tabs stay', () => {
  assert.equal(
    printable(hostile),
    'a\\x1b]0;title\\x07\tb\nc\\x9b1m\\x00\\x7f \\u{202e}gpj.exe\\u{202c} \\u{2066}x\\u{2069}\\u{200f}\\u{061c}\\u{2028}',
  );
  assert.equal(printable('ünï €😀 עברית 👩‍👩‍👧'), 'ünï €😀 עברית 👩‍👩‍👧');
});

test('JSON is escaped, and says the same', () => {
  const value = { [hostile]: hostile, nested: ['ünï €😀', hostile] };
  for (const json of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
    const shown = printableJson(json);
    assert.equal(printable(shown), shown);
    assert.deepEqual(JSON.parse(shown), value);
  }
});
