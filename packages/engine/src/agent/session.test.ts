import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import test from 'node:test';
import { isNovaError, type ErrorCode } from '@novasandbox/protocol';
import { INITIAL_CREDIT, MAX_DATA, MAX_STREAMS, encodeFrame, frameKinds } from './frame.ts';
import { messages, methods } from './methods.ts';
import { Fields, RecordWriter } from './record.ts';
import { openHostile, type HostFrame, type HostileGuest } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';

const withCode =
  (...codes: ErrorCode[]) =>
  (error: unknown): boolean =>
    isNovaError(error, ...codes);

function kindsOf(frames: readonly HostFrame[]): number[] {
  return frames.map(({ kind }) => kind);
}

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

test('a silent guest costs the time limit, and is told', async () => {
  const { agent, guest } = await openHostile();
  await assert.rejects(agent.stat('/x', undefined, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.exec({ argv: ['x'] }, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.tunnel({ port: 1 }, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.watch('/', {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.readFile('/', {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.tarOut('/', undefined, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await assert.rejects(agent.writeFile('/', [Buffer.from('x')], {}, { timeoutMs: 10 }), withCode('guest_unreachable'));
  await agent.close();
  await guest.end();
  assert.equal(kindsOf(guest.frames).filter((kind) => kind === frameKinds.open).length, 7);
  assert.equal(kindsOf(guest.frames).filter((kind) => kind === frameKinds.cancel).length, 7);
});

test('every call hears its signal, before and while it runs', async () => {
  const { agent, guest } = await openHostile();
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => agent.info({ signal }),
    (signal) => agent.processes({ signal }),
    (signal) => agent.list('/', {}, { signal }),
    (signal) => agent.exec({ argv: ['x'] }, { signal }),
    (signal) => agent.execDetached({ argv: ['x'] }, { signal }),
    (signal) => agent.attach(1, { stdout: 0, stderr: 0 }, { signal }),
    (signal) => agent.readFile('/', {}, { signal }),
    (signal) => agent.tarOut('/', undefined, { signal }),
    (signal) => agent.writeFile('/', [], {}, { signal }),
    (signal) => agent.tarIn('/', [], undefined, { signal }),
    (signal) => agent.watch('/', {}, { signal }),
    (signal) => agent.tunnel({ port: 1 }, { signal }),
  ];
  for (const call of calls) {
    await assert.rejects(call(AbortSignal.abort()), withCode('cancelled'));
    assert.equal(guest.frames.length, 0, 'nothing is sent for a signal that had fired');
  }
  for (const call of calls) {
    const controller = new AbortController();
    const rejected = assert.rejects(call(controller.signal), withCode('cancelled'));
    const open = await guest.nextOf(frameKinds.open);
    controller.abort();
    await rejected;
    assert.equal((await guest.nextOf(frameKinds.cancel)).stream, open.stream);
  }
  await agent.close();
});

test('a call that has ended leaves nothing at its signal', async () => {
  const { agent, guest } = await openHostile();
  const { signal } = new AbortController();
  const ping = agent.ping({ signal });
  const { stream } = await guest.next();
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await guest.result(stream);
  await ping;
  const failing = rejects(agent.stat('/', undefined, { signal }), 'file_not_found');
  await guest.error((await guest.next()).stream, 'not_found');
  await failing;
  const starting = agent.exec({ argv: ['x'] }, { signal });
  const open = await guest.next();
  await guest.message(open.stream, messages.started);
  const child = await starting;
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await guest.result(open.stream);
  await child.exit;
  await rejects(agent.exec({ argv: ['x'.repeat(2_000_000)] }, { signal }), 'invalid_argument');
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await agent.close();
});

test('at the limit of streams calls are refused here, and accepted again when one has ended', async () => {
  const { agent, guest } = await openHostile();
  const pings = Array.from({ length: MAX_STREAMS }, () => agent.ping());
  await assert.rejects(agent.ping(), withCode('channel_busy'));
  await guest.result((await guest.next()).stream);
  await pings[0];
  const last = agent.ping();
  await agent.close();
  const settled = await Promise.allSettled([...pings, last]);
  assert.equal(settled.filter(({ status }) => status === 'rejected').length, MAX_STREAMS);
});

test('a guest that does not read holds back requests, which vanish with their calls', async () => {
  const { agent, guest } = await openHostile();
  guest.duplex.pause();
  const long = 'x'.repeat(30_000);
  for (let i = 0; i < 100; i++) {
    const controller = new AbortController();
    const call = agent.stat(`/${long}`, undefined, { signal: controller.signal });
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await assert.rejects(call, withCode('cancelled'));
  }
  const ping = agent.ping();
  guest.duplex.resume();
  for (;;) {
    const frame = await guest.nextOf(frameKinds.open);
    if (frame.lead === methods.ping) {
      await guest.result(frame.stream);
      break;
    }
  }
  await ping;
  const opens = guest.frames.filter(({ kind }) => kind === frameKinds.open);
  const cancels = guest.frames.filter(({ kind }) => kind === frameKinds.cancel);
  assert.ok(opens.length < 20, `${opens.length} requests were buffered`);
  assert.equal(cancels.length, opens.length - 1, 'only what the guest knows of is cancelled');
  await agent.close();
});

test('close cancels what is open, sends it all and ends at a frame boundary', async () => {
  const { agent, guest } = await openHostile();
  const ping = agent.ping();
  const starting = agent.exec({ argv: ['cat'], stdin: true });
  await guest.next();
  await guest.message((await guest.next()).stream, messages.started);
  const child = await starting;
  const closing = agent.close();
  await assert.rejects(ping, withCode('guest_unreachable'));
  await assert.rejects(child.exit, withCode('guest_unreachable'));
  await assert.rejects(agent.ping(), withCode('guest_unreachable'));
  await closing;
  await guest.end();
  assert.deepEqual(kindsOf(guest.frames.slice(2)), [frameKinds.cancel, frameKinds.cancel]);
  assert.equal(await agent.closed, null);
  await agent.close();
});

test('close does not wait for ever for a guest that does not read, and says that the stream is torn', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest } = await openHostile();
  guest.duplex.pause();
  const calls = Array.from({ length: 20 }, () => agent.stat(`/${'x'.repeat(30_000)}`));
  await new Promise((resolve) => setImmediate(resolve));
  const closing = agent.close();
  t.mock.timers.tick(10_000);
  await closing;
  assert.ok(isNovaError(await agent.closed, 'guest_unreachable'));
  assert.ok((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected'));
});
