import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { reclaimUnfinished } from './unfinished.ts';

const folder = mkdtempSync(join(tmpdir(), 'nova-unfinished-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('damaged notes, and such of another version, keep nobody from clearing up after the others', async () => {
  const notes = join(folder, 'making');
  const leftover = join(folder, 'leftover');
  for (const each of [notes, leftover]) mkdirSync(each);
  const whole = {
    socketDirectory: join(folder, 'run'),
    folders: [leftover],
    maker: { pid: 4_000_000, startTime: '1' },
  };
  for (const [name, text] of [
    ['a', ''],
    ['b', '{"id":"b","folders":[""]}'],
    ['c', JSON.stringify({ ...whole, id: 'c', maker: null })],
    ['whole1', JSON.stringify({ ...whole, id: 'whole1' })],
  ] as const)
    writeFileSync(join(notes, `${name}.json`), text);
  assert.deepEqual(await reclaimUnfinished(notes), ['whole1']);
  assert.deepEqual([existsSync(leftover), existsSync(join(notes, 'whole1.json'))], [false, false]);
});
