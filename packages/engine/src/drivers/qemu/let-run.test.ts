import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { duplexPair, type Duplex } from 'node:stream';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { letRun } from './let-run.ts';
import { openQmp } from './qmp.ts';

/** A QEMU that ends a migration while it is asked about it so often. Returns the commands that it heard. */
function endsMigration(socket: Duplex, questions: number): string[] {
  const heard: string[] = [];
  const refusal = { error: { class: 'GenericError', desc: 'Migration is not finalized yet' } };
  let left = questions;
  createInterface({ input: socket }).on('line', (line) => {
    const { execute, id } = JSON.parse(line) as { execute: string; id: number };
    heard.push(execute);
    const status = execute === 'query-status' && left-- > 0 ? 'finish-migrate' : 'postmigrate';
    const answer = execute === 'cont' && left >= 0 ? refusal : { return: { status } };
    socket.write(`${JSON.stringify({ id, ...answer })}\n`);
  });
  return heard;
}

test('a guest whose VMM ends a migration is let go on once that has ended', async () => {
  const [ours, theirs] = duplexPair();
  const heard = endsMigration(theirs, 2);
  using qmp = openQmp(ours);
  await letRun(qmp);
  assert.deepEqual(heard.slice(1), ['cont', 'query-status', 'query-status', 'query-status', 'cont']);
});

test('a guest that may not run for another reason is told so', async () => {
  const [ours, theirs] = duplexPair();
  createInterface({ input: theirs }).on('line', (line) => {
    const { execute, id } = JSON.parse(line) as { execute: string; id: number };
    const refused = { error: { class: 'GenericError', desc: 'Resetting the Virtual Machine is required' } };
    const answer = execute === 'cont' ? refused : { return: { status: 'shutdown' } };
    theirs.write(`${JSON.stringify({ id, ...answer })}\n`);
  });
  using qmp = openQmp(ours);
  await assert.rejects(letRun(qmp), (error) => isNovaError(error, 'vmm_failed') && /Resetting/.test(error.message));
});
