import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { isUnanswered } from '../../vmm/patience.ts';
import { openQmp } from './qmp.ts';

test('a QEMU that takes commands and does not answer is given up, and can still be told what undoes them', async () => {
  const [ours, theirs] = duplexPair();
  let heard = '';
  theirs.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  using qmp = openQmp(ours, 20);
  await assert.rejects(qmp.execute('stop'), isUnanswered);
  qmp.leave('cont');
  await assert.rejects(qmp.execute('query-status'), isUnanswered, 'its answers could be those of commands before');
  const commands = heard
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { execute: string }).execute);
  assert.deepEqual(commands, ['qmp_capabilities', 'stop', 'cont']);
});
