import assert from 'node:assert/strict';
import test from 'node:test';
import { NovaError, isNovaError } from '@novasandbox/protocol';
import { Inbox } from './inbox.ts';

function make(): { queue: number[]; inbox: Inbox<number>; abandoned: () => number } {
  const queue: number[] = [];
  let abandoned = 0;
  const inbox = new Inbox(
    () => queue.shift(),
    () => abandoned++,
  );
  return { queue, inbox, abandoned: () => abandoned };
}

test('items come in order to those who wait and to those who come later', async () => {
  const { queue, inbox } = make();
  const early = [inbox.next(), inbox.next()];
  queue.push(1, 2, 3);
  inbox.wake();
  assert.deepEqual(
    (await Promise.all([...early, inbox.next()])).map((result) => result.value as number),
    [1, 2, 3],
  );
});

test('what is queued is given before the end', async () => {
  const { queue, inbox, abandoned } = make();
  queue.push(1, 2);
  inbox.end(null);
  assert.deepEqual(await Array.fromAsync(inbox), [1, 2]);
  assert.equal(abandoned(), 0);
});

test('an error comes after what is queued, once', async () => {
  const { queue, inbox } = make();
  queue.push(1);
  inbox.end(new NovaError('guest_unreachable', 'gone'));
  inbox.end(null);
  assert.equal((await inbox.next()).value, 1);
  await assert.rejects(inbox.next(), (error) => isNovaError(error, 'guest_unreachable'));
  assert.equal((await inbox.next()).done, true);
});

test('of those who wait one gets the error, the others the end', async () => {
  const { inbox } = make();
  const waiting = [inbox.next(), inbox.next()];
  inbox.end(new NovaError('guest_unreachable', 'gone'));
  const settled = await Promise.allSettled(waiting);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
});

test('leaving ends at once, even while waiting, and drops what is queued', async () => {
  const { queue, inbox, abandoned } = make();
  const waiting = inbox.next();
  await inbox.return();
  assert.equal((await waiting).done, true);
  queue.push(1);
  inbox.wake();
  assert.equal((await inbox.next()).done, true);
  assert.equal(abandoned(), 1);
});

test('leaving hides an error nobody has seen', async () => {
  const { inbox } = make();
  inbox.end(new NovaError('guest_unreachable', 'gone'));
  await inbox.return();
  assert.equal((await inbox.next()).done, true);
});

test('break and await using leave', async () => {
  const first = make();
  first.queue.push(1, 2);
  for await (const item of first.inbox) {
    assert.equal(item, 1);
    break;
  }
  assert.equal(first.abandoned(), 1);
  const second = make();
  {
    await using _inbox = second.inbox;
  }
  assert.equal(second.abandoned(), 1);
});

test('a second iteration is an error', () => {
  const { inbox } = make();
  inbox[Symbol.asyncIterator]();
  assert.throws(
    () => inbox[Symbol.asyncIterator](),
    (error) => isNovaError(error, 'invalid_state'),
  );
});
