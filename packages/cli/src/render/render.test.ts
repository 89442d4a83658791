import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { NovaError, type ProgressEvent } from '@novasandbox/protocol';
import { renderError } from './error.ts';
import { toJson } from './json.ts';
import { newText } from './new-text.ts';
import { showProgress } from './progress.ts';
import { bytesOf, spanOf } from './quantity.ts';
import { renderTable } from './table.ts';

test('columns are as wide as their widest cell, and nothing follows the last', () => {
  assert.equal(
    renderTable(
      ['ID', 'NAME'],
      [
        ['a', 'long name'],
        ['abc', '-'],
      ],
    ),
    'ID   NAME\na    long name\nabc  -\n',
  );
  assert.equal(renderTable(['ID'], []), 'ID\n');
});

test('a table cannot be broken out of', () => {
  assert.equal(renderTable(['N'], [['a\nb\x1b[2J']]), 'N\na b\\x1b[2J\n');
});

test('an error has its message and what to do about it', () => {
  assert.equal(
    renderError(new NovaError('sandbox_not_found', 'There is no "x\x1b[1m".', { hint: 'Look again.' })),
    'nova: There is no "x\\x1b[1m".\n  hint: Look again.\n',
  );
});

test('JSON takes bigints', () => {
  assert.equal(toJson({ a: 5n, b: 2n ** 70n }), '{\n  "a": 5,\n  "b": "1180591620717411303424"\n}');
});

test('JSON does not act on a terminal, and says the same', () => {
  const log = { console: 'a\x9b2J\x7f \u202egpj.exe\u2069\u2028' };
  assert.doesNotMatch(toJson(log), /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/);
  assert.deepEqual(JSON.parse(toJson(log)), log);
});

test('a note of the engine is a line of its own, at once, on a terminal and elsewhere', () => {
  for (const isTTY of [true, false]) {
    const written: string[] = [];
    using progress = showProgress({ stream: { isTTY, write: (text) => written.push(text) } });
    progress.sink({ step: 'disk', label: 'It may not fit\x1b[1m', state: 'note', elapsedMs: 0 });
    assert.deepEqual(written, ['nova: It may not fit\\x1b[1m\n']);
  }
});

test('spans and sizes read well', () => {
  assert.deepEqual([0, 59_999, 61_000, 3_661_000, 90_000_000].map(spanOf), ['0s', '59s', '1m 1s', '1h 1m', '1d 1h']);
  assert.deepEqual([0, 1023, 1536, 1024 ** 2 * 250, 1024 ** 3 * 2].map(bytesOf), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '250 MiB',
    '2 GiB',
  ]);
});

test('only what is new of a growing text is shown, also when its beginning is cut', () => {
  assert.equal(newText('', 'ab'), 'ab');
  assert.equal(newText('ab', 'abcd'), 'cd');
  const long = Array.from({ length: 200 }, (_, line) => `line ${line}\n`).join('');
  assert.equal(newText(long, `${long.slice(700)}more`), 'more');
  assert.equal(newText('old', 'unrelated'), 'unrelated');
});

const event = (state: ProgressEvent['state'], more: Partial<ProgressEvent> = {}): ProgressEvent => ({
  step: 'rootfs',
  label: 'Building',
  state,
  elapsedMs: 0,
  ...more,
});

test('short steps are not shown, neither on a terminal nor elsewhere', () => {
  for (const isTTY of [true, false]) {
    let shown = '';
    using progress = showProgress({ stream: { isTTY, write: (text) => (shown += text) } });
    progress.sink(event('start'));
    progress.sink(event('done'));
    assert.equal(shown, '');
  }
});

test('a long step is shown with its bar on a terminal, and the line is left clean', async () => {
  let shown = '';
  const progress = showProgress({ stream: { isTTY: true, columns: 60, write: (text) => (shown += text) } });
  progress.sink(event('start', { elapsedMs: 2000 }));
  progress.sink(event('update', { fraction: 0.5, detail: 'libc6\x1b[2J' }));
  await sleep(250);
  progress.sink(event('done', { elapsedMs: 2300 }));
  progress[Symbol.dispose]();
  assert.match(shown, /Building: libc6\\x1b\[2J \[█{12}/);
  assert.match(shown, /✓ Building \(2\.\d s\)\n$/);
  assert.equal(
    Math.max(...shown.split('\r').map((line) => line.replace('\x1b[2K', '').split('\n')[0]?.length ?? 0)) <= 59,
    true,
  );
});

test('steps side by side have a line each, and what is done stays above those that go on', async () => {
  let shown = '';
  const progress = showProgress({ stream: { isTTY: true, columns: 60, write: (text) => (shown += text) } });
  const seen = (): string => shown.replaceAll('\x1b', '^').replaceAll('\r', '<');
  progress.sink(event('start', { elapsedMs: 2000 }));
  progress.sink(event('start', { step: 'agent', label: 'Guest agent', elapsedMs: 2000 }));
  await sleep(250);
  assert.match(seen(), /Building 2\.\d s\n<\^\[2K. Guest agent 2\.\d s$/);
  progress.sink(event('done', { elapsedMs: 2300 }));
  assert.match(seen(), /<\^\[2K\^\[1A\^\[2K✓ Building \(2\.\d s\)\n$/);
  await sleep(150);
  // The line may be cleared once more before it is drawn.
  assert.match(seen(), /✓ Building \(2\.\d s\)\n(<\^\[2K(. Guest agent 2\.\d s)?)*<\^\[2K. Guest agent 2\.\d s$/);
  progress[Symbol.dispose]();
  assert.match(seen(), /<\^\[2K$/);
});

test('elsewhere it is a line when it gets long and one at its end', async () => {
  let shown = '';
  using progress = showProgress({ stream: { write: (text) => (shown += text) } });
  progress.sink(event('start'));
  await sleep(1100);
  progress.sink(event('failed'));
  assert.match(shown, /^Building \.\.\.\nfailed: Building \(1\.\d s\)\n$/);
});

test('quiet is quiet', async () => {
  using progress = showProgress({ quiet: true, stream: { isTTY: true, write: () => assert.fail('written') } });
  progress.sink(event('start', { elapsedMs: 5000 }));
  await sleep(150);
});
