import assert from 'node:assert/strict';
import test from 'node:test';
import { frameKinds } from './frame.ts';
import { RecordWriter } from './record.ts';
import { openHostile } from './testing/hostile-guest.ts';

test('a request leaves as one frame and resolves with its answer', async () => {
  const { agent, guest } = await openHostile();
  const ping = agent.ping();
  const open = await guest.next();
  assert.deepEqual([open.kind, open.stream, open.lead], [frameKinds.open, 1, 2]);
  await guest.result(1);
  await ping;
  await agent.close();
  assert.equal(await agent.closed, null);
});

test('exec', async () => {
  const { agent, guest } = await openHostile();
  const starting = agent.exec({ argv: ['true'] });
  const open = await guest.next();
  await guest.message(open.stream, 1, new RecordWriter().integer(1, 7).integer(2, 8));
  const p = await starting;
  assert.equal(p.execId, 7);
  await guest.data(open.stream, 1, Buffer.from('hello'));
  await guest.result(open.stream, new RecordWriter().integer(1, 3));
  const out = await Array.fromAsync(p.output);
  assert.equal(out[0]?.bytes.toString(), 'hello');
  assert.equal((await p.exit).exitCode, 3);
});
