import assert from 'node:assert/strict';
import test from 'node:test';
import { INITIAL_CREDIT, MAX_DATA } from './frame.ts';
import { frameKinds, messages } from './numbers.ts';
import { RecordWriter } from './record.ts';
import { openHostile, type HostileGuest } from './testing/hostile-guest.ts';
import { rejects } from './testing/rejects.ts';

const written = (): RecordWriter => new RecordWriter().record(2, new RecordWriter().string(1, 'f'));

/** The DATA of a stream up to its FINISH. */
async function received(guest: HostileGuest): Promise<string> {
  const chunks: Buffer[] = [];
  for (;;) {
    const frame = await guest.next();
    if (frame.kind === frameKinds.finish) return Buffer.concat(chunks).toString();
    assert.equal(frame.kind, frameKinds.data);
    chunks.push(frame.body);
  }
}

test('a small file leaves in one write, from an array and from a generator', async () => {
  const { agent, guest } = await openHostile();
  const chunks: Buffer[] = [];
  guest.duplex.on('data', (chunk: Buffer) => chunks.push(chunk));
  const writing = agent.writeFile('/f', [Buffer.from('a'), Buffer.from('b')], {});
  const { stream } = await guest.nextOf(frameKinds.open);
  assert.equal(await received(guest), 'ab');
  await guest.result(stream, written());
  assert.equal((await writing).name, 'f');
  // duplexPair has no writev, so a corked write shows up as frames that come in one turn rather than as one chunk.
  assert.equal(guest.frames.length, 4);
  const second = agent.writeFile(
    '/f',
    (async function* () {
      yield Buffer.from('c');
      yield Buffer.alloc(0);
      yield Buffer.from('d');
    })(),
    {},
  );
  const open = await guest.nextOf(frameKinds.open);
  assert.equal(await received(guest), 'cd');
  await guest.result(open.stream, written());
  await second;
  await agent.close();
});

test('an upload waits for credit', async () => {
  const { agent, guest } = await openHostile();
  let asked = 0;
  const source = function* (): Generator<Buffer> {
    for (; asked < 100; asked++) yield Buffer.alloc(MAX_DATA, 'x');
  };
  const writing = agent.writeFile('/f', source(), {});
  const { stream } = await guest.next();
  let bytes = 0;
  while (bytes < INITIAL_CREDIT) bytes += (await guest.next()).body.length;
  const ping = agent.ping();
  const next = await guest.next();
  assert.equal(next.kind, frameKinds.open, 'nothing of the upload comes without credit');
  await guest.result(next.stream);
  await ping;
  assert.ok(asked < 10, `${asked} chunks were taken from the source`);
  await guest.credit(stream, 100 * MAX_DATA);
  assert.equal((await received(guest)).length, 100 * MAX_DATA - INITIAL_CREDIT);
  await guest.result(stream, written());
  await writing;
  await agent.close();
});

test('an error of the guest ends an upload at once and closes its source', async () => {
  const { agent, guest } = await openHostile();
  let closed = 0;
  const endless = async function* (): AsyncGenerator<Buffer> {
    try {
      for (;;) yield Buffer.alloc(MAX_DATA);
    } finally {
      closed++;
    }
  };
  const full = rejects(agent.tarIn('/d', endless(), undefined), 'guest_resource_exhausted');
  await guest.error((await guest.next()).stream, 'resource_exhausted');
  await full;
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const second = rejects(agent.writeFile('/f', silent, {}), 'file_exists');
  await guest.error((await guest.nextOf(frameKinds.open)).stream, 'already_exists');
  await second;
  const controller = new AbortController();
  const third = rejects(agent.writeFile('/f', endless(), {}, { signal: controller.signal }), 'cancelled');
  await guest.nextOf(frameKinds.open);
  controller.abort();
  await third;
  await guest.nextOf(frameKinds.cancel);
  await agent.close();
  assert.equal(closed, 2);
});

test('what the source throws is what the call throws, and the guest is told', async () => {
  const { agent, guest } = await openHostile();
  const failing = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('x');
    throw new Error('disk on fire');
  };
  await assert.rejects(agent.writeFile('/f', failing(), {}), /disk on fire/);
  await guest.nextOf(frameKinds.cancel);
  const numbers = new Uint8Array([1, 2]) as unknown as Iterable<Uint8Array>;
  await rejects(agent.writeFile('/f', numbers, {}), 'invalid_argument');
  await guest.nextOf(frameKinds.cancel);
  await agent.close();
});

test('an answer before the end of the upload is a protocol error', async () => {
  const { agent, guest } = await openHostile();
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
  const writing = rejects(agent.writeFile('/f', silent, {}), 'guest_protocol_error');
  await guest.result((await guest.next()).stream, written());
  await writing;
});

test('an upload counts the silence of the guest, not that of its source', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { agent, guest } = await openHostile();
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const slow = async function* (): AsyncGenerator<Buffer> {
    await steps[0].promise;
    yield Buffer.alloc(INITIAL_CREDIT + 2);
    await steps[1].promise;
    yield Buffer.alloc(1);
  };
  const writing = rejects(agent.writeFile('/f', slow(), {}), 'guest_unreachable');
  const { stream } = await guest.next();
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Advances the time, after pending work has finished and before the work that follows from it. */
  const pass = async (ms: number): Promise<void> => {
    await settle();
    t.mock.timers.tick(ms);
    await settle();
  };
  await pass(1_000_000);
  steps[0].resolve();
  let bytes = 0;
  while (bytes < INITIAL_CREDIT) bytes += (await guest.next()).body.length;
  for (let i = 0; i < 2; i++) {
    await pass(29_000);
    await guest.credit(stream, 1);
    assert.equal((await guest.next()).body.length, 1);
  }
  await pass(1_000_000);
  steps[1].resolve();
  await pass(29_000);
  assert.equal(guest.frames.at(-1)?.kind, frameKinds.data, 'the guest still has a second');
  await pass(1000);
  await writing;
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});

test('a file is described, then read to its end', async () => {
  const { agent, guest } = await openHostile();
  const reading = agent.readFile('/f', { offset: 5, length: 10 });
  const { stream } = await guest.next();
  await guest.message(stream, messages.stat, new RecordWriter().string(1, 'f').integer(4, 100));
  const file = await reading;
  assert.equal(file.entry.size, 100);
  await guest.data(stream, 0, Buffer.from('hello'));
  await guest.data(stream, 0, Buffer.from('world'));
  await guest.result(stream, new RecordWriter().integer(1, 10));
  assert.equal(Buffer.concat(await Array.fromAsync(file.bytes)).toString(), 'helloworld');
  await agent.close();
  assert.equal(guest.frames.length, 1);
});

test('a transfer whose count is wrong is a protocol error', async () => {
  const { agent, guest } = await openHostile();
  const reading = agent.readFile('/f', {});
  const { stream } = await guest.next();
  await guest.message(stream, messages.stat);
  const file = await reading;
  await guest.data(stream, 0, Buffer.from('hello'));
  await guest.result(stream, new RecordWriter().integer(1, 6));
  await rejects(Array.fromAsync(file.bytes), 'guest_protocol_error');
});

test('leaving a file or an archive cancels its transfer', async () => {
  const { agent, guest } = await openHostile();
  const reading = agent.readFile('/f', {});
  const { stream } = await guest.next();
  await guest.message(stream, messages.stat);
  {
    await using _file = await reading;
  }
  assert.deepEqual([(await guest.next()).kind, guest.frames.at(-1)?.stream], [frameKinds.cancel, stream]);
  const packing = agent.tarOut('/d', undefined);
  const open = await guest.next();
  await guest.data(open.stream, 0, Buffer.from('x'));
  for await (const bytes of await packing) {
    assert.equal(Buffer.from(bytes).toString(), 'x');
    break;
  }
  assert.equal((await guest.next()).kind, frameKinds.cancel);
  await agent.close();
});

test('an error of the start rejects the call, a later one the iteration', async () => {
  const { agent, guest } = await openHostile();
  const missing = rejects(agent.tarOut('/d', undefined), 'file_not_found');
  await guest.error((await guest.next()).stream, 'not_found');
  await missing;
  const packing = agent.tarOut('/d', undefined);
  const { stream } = await guest.next();
  await guest.data(stream, 0, Buffer.from('x'));
  const archive = await packing;
  await guest.error(stream, 'permission_denied');
  const chunks: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const bytes of archive) chunks.push(Buffer.from(bytes).toString());
  };
  await rejects(reading(), 'permission_denied');
  assert.deepEqual(chunks, ['x']);
  const empty = agent.tarOut('/e', undefined);
  await guest.result((await guest.next()).stream);
  assert.deepEqual(await Array.fromAsync(await empty), []);
  await agent.close();
});

for (const [name, lie] of [
  ['bytes', (guest: HostileGuest, id: number) => guest.data(id, 0, Buffer.from('x'))],
  ['an end', (guest: HostileGuest, id: number) => guest.result(id)],
] as const) {
  test(`${name} before the description of a file is a protocol error`, async () => {
    const { agent, guest } = await openHostile();
    const reading = rejects(agent.readFile('/f', {}), 'guest_protocol_error');
    await lie(guest, (await guest.next()).stream);
    await reading;
  });
}
