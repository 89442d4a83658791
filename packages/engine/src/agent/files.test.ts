import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { frameKinds, messages } from './numbers.ts';
import { Fields, RecordWriter } from './record.ts';
import { openHostile } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';

function entry(name: string): RecordWriter {
  return new RecordWriter().string(1, name).string(2, `/${name}`).integer(3, 1).integer(4, 5).integer(5, 0o100644);
}

test('an entry is read with all its fields, and odd ones do no harm', async () => {
  const { agent, guest } = await openHostile();
  const link = entry('a').integer(6, 1000).integer(7, 1001).string(8, 'u').string(9, 'g').flag(12, true);
  const stat = agent.stat('/a', 'user');
  const open = await guest.next();
  assert.deepEqual([new Fields(open.body).string(1), new Fields(open.body).string(2)], ['/a', 'user']);
  const xattr = new RecordWriter().string(1, '__proto__').string(2, 'v');
  await guest.result(open.stream, link.integer(10, 1_700_000_000_123_456_789n).string(11, 'b').record(14, xattr));
  const { xattrs, ...entryRead } = await stat;
  assert.deepEqual(Object.entries(xattrs ?? {}), [['__proto__', 'v']]);
  assert.deepEqual(entryRead, {
    name: 'a',
    path: '/a',
    type: 'file',
    size: 5,
    mode: 0o644,
    uid: 1000,
    gid: 1001,
    owner: 'u',
    group: 'g',
    modifiedAt: '2023-11-14T22:13:20.123Z',
    symlinkTarget: 'b',
  });
  const odd = agent.stat('/odd');
  const record = new RecordWriter()
    .bytes(1, Buffer.from([0xff, 0xfe]))
    .integer(3, 77)
    .integer(4, 2n ** 63n)
    .integer(10, 2n ** 64n - 1_000_000n);
  await guest.result((await guest.next()).stream, record);
  const { name, type, size, modifiedAt, symlinkTarget } = await odd;
  assert.deepEqual(
    [name, type, size, modifiedAt, symlinkTarget],
    ['\ufffd\ufffd', 'other', Number.MAX_SAFE_INTEGER, '1969-12-31T23:59:59.999Z', null],
  );
  await agent.close();
});

test('no time a guest can send leaves the range of a date', async () => {
  const { agent, guest } = await openHostile();
  for (const time of [0n, 2n ** 63n, 2n ** 63n - 1n, 2n ** 64n - 1n]) {
    const stat = agent.stat('/a');
    await guest.result((await guest.next()).stream, new RecordWriter().integer(10, time));
    assert.ok(Number.isFinite(Date.parse((await stat).modifiedAt)));
  }
  await agent.close();
});

test('a listing is the entries in the order they come', async () => {
  const { agent, guest } = await openHostile();
  const listing = agent.list('/', { depth: 2, limit: 3 });
  const { stream, body } = await guest.next();
  assert.deepEqual([new Fields(body).integer(2), new Fields(body).integer(4)], [2, 3]);
  for (const name of ['b', 'a', 'c']) await guest.message(stream, messages.entry, entry(name));
  await guest.result(stream, new RecordWriter().integer(1, 3));
  assert.deepEqual(
    (await listing).map(({ name }) => name),
    ['b', 'a', 'c'],
  );
  await agent.close();
});

test('more entries than were asked for are a protocol error', async () => {
  const { agent, guest } = await openHostile();
  const listing = rejects(agent.list('/', { limit: 2 }), 'guest_protocol_error');
  const { stream } = await guest.next();
  for (const name of ['a', 'b', 'c']) await guest.message(stream, messages.entry, entry(name));
  await listing;
  assert.ok(isNovaError(await agent.closed, 'guest_protocol_error'));
});

test('a listing that is too large fails alone', async () => {
  const { agent, guest } = await openHostile();
  const listing = rejects(agent.list('/', {}), 'guest_resource_exhausted');
  const { stream } = await guest.next();
  const large = new RecordWriter().string(1, 'x'.repeat(1_000_000));
  for (let i = 0; i < 68; i++) await guest.message(stream, messages.entry, large);
  await listing;
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  const ping = agent.ping();
  await guest.result((await guest.next()).stream);
  await ping;
  await agent.close();
});

test('a watch yields changes from the moment it stands, passing over kinds it does not know', async () => {
  const { agent, guest } = await openHostile();
  const watching = agent.watch('/w', { recursive: true });
  const { stream } = await guest.next();
  await guest.message(stream, messages.watching);
  const changes = await watching;
  for (const [kind, name] of [
    [1, 'a'],
    [9, 'b'],
    [4, 'c/d'],
  ] as const) {
    await guest.message(stream, messages.change, new RecordWriter().integer(1, kind).string(2, name));
  }
  await guest.result(stream);
  assert.deepEqual(await Array.fromAsync(changes), [
    { kind: 'create', name: 'a' },
    { kind: 'rename', name: 'c/d' },
  ]);
  await agent.close();
});

test('changes that were lost are told after those that came', async () => {
  const { agent, guest } = await openHostile();
  const watching = agent.watch('/w', {});
  const { stream } = await guest.next();
  await guest.message(stream, messages.watching);
  const changes = await watching;
  await guest.message(stream, messages.change, new RecordWriter().integer(1, 1).string(2, 'a'));
  await guest.message(stream, messages.overflow);
  const seen: string[] = [];
  await rejects(
    (async () => {
      for await (const { name } of changes) seen.push(name);
    })(),
    'guest_resource_exhausted',
  );
  assert.deepEqual(seen, ['a']);
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});

test('a flood of changes nobody reads ends the watch, not the session', async () => {
  const { agent, guest } = await openHostile();
  for (const [name, most] of [
    ['x', 17_000],
    ['x'.repeat(30_000), 200],
  ] as const) {
    const watching = agent.watch('/w', {});
    const { stream } = await guest.nextOf(frameKinds.open);
    await guest.message(stream, messages.watching);
    const changes = await watching;
    const change = new RecordWriter().integer(1, 1).string(2, name);
    for (let i = 0; i < most && guest.frames.at(-1)?.kind !== frameKinds.cancel; i++) {
      await guest.message(stream, messages.change, change);
    }
    assert.equal((await guest.next()).kind, frameKinds.cancel);
    await rejects(Array.fromAsync(changes), 'guest_resource_exhausted');
  }
  await agent.close();
});

test('leaving a watch cancels it', async () => {
  const { agent, guest } = await openHostile();
  const watching = agent.watch('/w', {});
  await guest.message((await guest.next()).stream, messages.watching);
  {
    await using _changes = await watching;
  }
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});
