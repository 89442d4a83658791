import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultDetachKeys, parseDetachKeys } from '../args/detach-keys.ts';
import { KeyWatch } from './key-watch.ts';

const typed = (watch: KeyWatch, text: string): readonly [string, boolean] => {
  const { passes, complete } = watch.take(Buffer.from(text));
  return [Buffer.from(passes).toString(), complete];
};

test('keys are read as docker reads them', () => {
  assert.deepEqual(parseDetachKeys('ctrl-p,ctrl-q'), defaultDetachKeys);
  assert.deepEqual(parseDetachKeys('CTRL-@,ctrl-[,x'), [0, 27, 120]);
  for (const wrong of ['', 'ctrl-', 'ctrl-1', 'xy', 'é', 'ctrl-p,']) {
    assert.throws(() => parseDetachKeys(wrong), /Give keys such as/, wrong);
  }
});

test('the sequence is found in whatever pieces it comes; keys that only begin it pass', () => {
  const watch = new KeyWatch(defaultDetachKeys);
  assert.deepEqual(typed(watch, 'ls\r'), ['ls\r', false]);
  assert.deepEqual(typed(watch, 'a\x10'), ['a', false]);
  assert.deepEqual(typed(watch, 'b'), ['\x10b', false]);
  assert.deepEqual(typed(watch, '\x10\x10'), ['\x10', false]);
  assert.deepEqual(typed(watch, '\x11rest'), ['', true]);
  assert.deepEqual(typed(watch, '\x11'), ['\x11', false]);
  assert.deepEqual(typed(watch, 'x\x10\x11'), ['x', true]);
});
