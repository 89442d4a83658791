import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sandboxIdSchema } from '@novasandbox/protocol';
import { childIds, newSandboxId } from './id.ts';

test('the ids of children follow from one id, and are like all others', () => {
  const id = newSandboxId();
  const ids = childIds(id, 100);
  assert.deepEqual(childIds(id, 3), ids.slice(0, 3));
  assert.equal(new Set([id, ...ids, ...childIds(newSandboxId(), 100)]).size, 201);
  for (const each of [id, ...ids]) {
    sandboxIdSchema.parse(each);
    assert.match(each, /^[a-z].{19}$/);
  }
});
