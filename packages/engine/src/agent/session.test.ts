import assert from 'node:assert/strict';
import test from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { INITIAL_CREDIT, MAX_DATA, encodeFrame } from './frame.ts';
import { frameKinds, messages, methods } from './numbers.ts';
import { Fields, RecordWriter } from './record.ts';
import { openHostile, type HostileGuest } from './testing/hostile-guest.ts';

const withCode =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isNovaError(error, ...codes);

test('a request leaves as one frame in one write and resolves with its answer', async () => {
  const { agent, guest } = await openHostile();
  let chunks = 0;
  guest.duplex.on('data', () => chunks++);
  const ping = agent.ping();
  const open = await guest.next();
  assert.deepEqual([open.kind, open.stream, open.lead], [frameKinds.open, 1, methods.ping]);
  await guest.result(1);
  await ping;
  assert.equal(chunks, 1);
  assert.equal(guest.frames.length, 1);
  await agent.close();
});

test('streams are odd, ascending and answered in any order', async () => {
  const { agent, guest } = await openHostile();
  const answers = ['a', 'b', 'c'].map((path) => agent.stat(`/${path}`));
  const opens = [await guest.next(), await guest.next(), await guest.next()];
  assert.deepEqual(
    opens.map(({ stream }) => stream),
    [1, 3, 5],
  );
  for (const { stream, body } of opens.toReversed()) {
    await guest.result(stream, new RecordWriter().string(2, new Fields(body).string(1)));
  }
  assert.deepEqual(
    (await Promise.all(answers)).map(({ path }) => path),
    ['/a', '/b', '/c'],
  );
  await agent.close();
});

test('a request longer than a frame goes in parts, one longer than a megabyte is refused here', async () => {
  const { agent, guest } = await openHostile();
  const long = 'x'.repeat(500_000);
  const starting = assert.rejects(agent.exec({ argv: ['sh', '-c', long] }), withCode('command_not_found'));
  const open = await guest.next();
  assert.deepEqual(new Fields(open.body).strings(1), ['sh', '-c', long]);
  await guest.error(open.stream, 'not_found', 'sh');
  await starting;
  await assert.rejects(agent.exec({ argv: ['sh', '-c', 'x'.repeat(1_048_576)] }), withCode('invalid_argument'));
  const ping = agent.ping();
  const next = await guest.next();
  assert.equal(next.lead, methods.ping, 'nothing of the refused request was sent');
  await guest.result(next.stream);
  await ping;
  await agent.close();
});

const violations: [name: string, (guest: HostileGuest, stream: number) => Promise<void>][] = [
  ['a frame of an unknown kind', (guest, id) => guest.raw(encodeFrame(99, id, null))],
  ['an OPEN', (guest, id) => guest.raw(encodeFrame(frameKinds.open, id, 2))],
  ['a CANCEL', (guest, id) => guest.raw(encodeFrame(frameKinds.cancel, id, null))],
  ['a length above the limit', (guest) => guest.raw(Buffer.alloc(9, 0xff))],
  ['DATA without a channel', (guest, id) => guest.raw(encodeFrame(frameKinds.data, id, null))],
  ['MESSAGE without a type', (guest, id) => guest.raw(encodeFrame(frameKinds.message, id, null))],
  ['a short CREDIT', (guest, id) => guest.raw(encodeFrame(frameKinds.credit, id, null, Buffer.alloc(3)))],
  ['a FINISH with a payload', (guest, id) => guest.raw(encodeFrame(frameKinds.finish, id, 1))],
  ['a record that lies', (guest, id) => guest.raw(encodeFrame(frameKinds.result, id, null, Buffer.from([1, 9, 0, 0])))],
  ['an ERROR that lies', (guest, id) => guest.raw(encodeFrame(frameKinds.error, id, null, Buffer.from([1, 9, 0, 0])))],
  ['a number out of range', (guest, id) => guest.result(id, new RecordWriter().integer(6, 2n ** 60n))],
  ['credit without end', (guest, id) => guest.credit(id, 0x7fff_ffff)],
  ['DATA beyond its credit', (guest, id) => overrun(guest, id, 1)],
  [
    'a part inside another',
    async (guest, id) => {
      await guest.raw(encodeFrame(frameKinds.part, id, 1));
      await guest.raw(encodeFrame(frameKinds.part, id + 2, 1));
    },
  ],
];

/** Uses up the credit of a fresh stream, and `more` bytes. */
async function overrun(guest: HostileGuest, stream: number, more: number): Promise<void> {
  for (let left = INITIAL_CREDIT + more; left > 0;) {
    const length = Math.min(left, MAX_DATA);
    await guest.data(stream, 1, Buffer.alloc(length));
    left -= length;
  }
}

for (const [name, violate] of violations) {
  test(`${name} ends the session`, async () => {
    const { agent, guest } = await openHostile();
    const first = assert.rejects(agent.info(), withCode('guest_protocol_error'));
    const second = assert.rejects(agent.ping(), withCode('guest_protocol_error'));
    const open = await guest.next();
    await violate(guest, open.stream);
    await first;
    await second;
    assert.ok(isNovaError(await agent.closed, 'guest_protocol_error'));
    await assert.rejects(agent.ping(), withCode('guest_protocol_error'));
    await guest.end();
    await agent.close();
  });
}

test('what belongs to no stream, an unknown message and a late answer are ignored', async () => {
  const { agent, guest } = await openHostile();
  const controller = new AbortController();
  const given = assert.rejects(agent.ping({ signal: controller.signal }), withCode('cancelled'));
  const { stream } = await guest.next();
  controller.abort(new Error('enough'));
  await given;
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await guest.result(stream);
  await guest.error(stream, 'internal');
  for (const id of [0, 2, 999, 0xffff_ffff]) {
    await guest.data(id, 1, Buffer.from('x'));
    await guest.message(id, 1);
    await guest.result(id);
    await guest.credit(id, 5);
  }
  const ping = agent.ping();
  const next = await guest.next();
  await guest.message(next.stream, 200);
  await guest.result(next.stream);
  await ping;
  await agent.close();
});

test('a guest that vanishes fails every call, iteration and tunnel as unreachable', async () => {
  const { agent, guest } = await openHostile();
  const starting = agent.exec({ argv: ['cat'], stdin: true });
  await guest.message((await guest.next()).stream, messages.started);
  const child = await starting;
  const connecting = agent.tunnel({ port: 80 });
  await guest.message((await guest.next()).stream, messages.connected);
  const tunnel = await connecting;
  const watching = agent.watch('/', {});
  await guest.message((await guest.next()).stream, messages.watching);
  const changes = await watching;
  const destroyed = new Promise((resolve) => tunnel.on('error', resolve));
  const unreachable = withCode('guest_unreachable');
  const ping = assert.rejects(agent.ping(), unreachable);
  const stuck = assert.rejects(child.writeStdin(Buffer.alloc(INITIAL_CREDIT + 1)), unreachable);
  guest.duplex.end();
  await ping;
  await stuck;
  await assert.rejects(Array.fromAsync(child.output), unreachable);
  await assert.rejects(child.exit, unreachable);
  await assert.rejects(Array.fromAsync(changes), unreachable);
  assert.ok(unreachable(await destroyed));
  assert.ok(isNovaError(await agent.closed, 'guest_unreachable'));
  await assert.rejects(agent.ping(), unreachable);
  await assert.rejects(child.writeStdin(Buffer.from('x')), unreachable);
});

test('nobody has to look at exit, closed or a lost tunnel', async () => {
  const { agent, guest } = await openHostile();
  const starting = agent.exec({ argv: ['cat'], stdin: true });
  await guest.message((await guest.next()).stream, messages.started);
  const child = await starting;
  const connecting = agent.tunnel({ port: 80 });
  await guest.message((await guest.next()).stream, messages.connected);
  await connecting;
  void child.writeStdin(Buffer.alloc(INITIAL_CREDIT + 1)).catch(() => {});
  guest.duplex.destroy();
  await agent.closed;
  // An unhandled rejection or error would be reported in one of these turns, and fail the test.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
});
