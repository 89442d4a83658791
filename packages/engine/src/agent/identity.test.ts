import assert from 'node:assert/strict';
import test from 'node:test';
import { RecordWriter } from './record.ts';
import { openHostile } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';
import { tags } from './numbers.ts';

const entropy = Buffer.alloc(64, 7);
const continued = { generation: 'gen-2', cutConnections: false };

test('a guest that does not confirm its generation is refused', { timeout: 10_000 }, async () => {
  const { agent, guest } = await openHostile();
  const confirmation = (generation: string): RecordWriter =>
    new RecordWriter().string(tags.configureResult.generation, generation);
  // An agent of an earlier release ignores the field.
  for (const answer of [new RecordWriter(), confirmation('gen-1'), confirmation('')]) {
    const configuring = rejects(agent.configure({ entropy, continued }), 'not_implemented');
    await guest.result((await guest.next()).stream, answer);
    await configuring;
  }
  const configuring = agent.configure({ entropy, continued });
  await guest.result((await guest.next()).stream, confirmation('gen-2'));
  await configuring;
  // Nobody else has to confirm anything.
  const plain = agent.configure({ entropy });
  await guest.result((await guest.next()).stream);
  await plain;
  await agent.close();
});

test('a guest that goes on needs entropy, and names that are names', { timeout: 10_000 }, async () => {
  const { agent, guest } = await openHostile();
  await rejects(agent.configure({ continued }), 'invalid_argument');
  for (const name of ['', 'a b', 'a\n', '../x', 'x'.repeat(65)]) {
    await rejects(agent.configure({ entropy, continued: { ...continued, generation: name } }), 'invalid_argument');
    await rejects(agent.configure({ entropy, continued: { ...continued, parentId: name } }), 'invalid_argument');
  }
  await agent.close();
  assert.deepEqual(guest.frames, []);
});
