import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastLines, lastLinesOf } from './last-lines.ts';

test('the last lines of a text', () => {
  assert.equal(lastLinesOf('a\nb\nc\n', 2), 'b\nc\n');
  assert.equal(lastLinesOf('a\nb\nc', 2), 'b\nc');
  assert.equal(lastLinesOf('a\n\n\n', 2), '\n\n');
  assert.equal(lastLinesOf('a\nb', 9), 'a\nb');
  assert.equal(lastLinesOf('a\nb', 0), '');
  assert.equal(lastLinesOf('', 3), '');
  assert.equal(lastLinesOf('\n', 1), '\n');
});

test('lines may come in any pieces', () => {
  const kept = new LastLines(2);
  for (const piece of ['on', 'e\ntwo\nth', 'ree', '\nfour']) kept.add(Buffer.from(piece));
  assert.equal(Buffer.from(kept.bytes()).toString(), 'three\nfour');
});
